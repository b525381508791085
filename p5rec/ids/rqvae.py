"""Residual quantisation inside an auto-encoder, trained jointly.

Lee et al. 2022 (*RQ-VAE*, section 3.1), the id scheme of TIGER (Rajput et al. 2023, section
3.1). DEVIATION: encoder and decoder are a linear map and its transpose, each plus a perceptron that
is initialised to zero output. The codebooks are initialised by residual k-means, so training starts
from the solution of ``rq-kmeans``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from p5rec.core.rng import derive_seed

from .clusters import sampled
from .config import IdsConfig, RqVaeConfig
from .quantiser import CHUNK, Coded, ItemData, Residual, code_all, distances
from .rqkmeans import enough, residual_means


class Half(nn.Module):
    """``x @ linear`` plus a perceptron initialised to zero output: an encoder or a decoder."""

    def __init__(self, linear: Tensor, hidden: int) -> None:
        super().__init__()
        before, after = linear.shape
        self.linear = nn.Parameter(linear.clone())
        self.up = nn.Linear(before, hidden)
        self.down = nn.Linear(hidden, after)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(R, before)`` → ``(R, after)``."""
        out: Tensor = x @ self.linear + self.down(torch.relu(self.up(x)))
        return out


@dataclass(frozen=True, eq=False)
class AutoEncoder:
    """A trained encoder and decoder around residual codebooks.

    Attributes:
        encoder, decoder: each ``linear (a, b)``, ``up (h, a)``, ``up bias``, ``down (b, h)``,
            ``down bias``.
        inner: the codebooks, in the latent space.
    """

    encoder: Mapping[str, np.ndarray]
    decoder: Mapping[str, np.ndarray]
    inner: Residual
    kind: ClassVar[str] = "auto-encoder"

    @property
    def sizes(self) -> tuple[int, ...]:
        return self.inner.sizes

    def embed(self, items: ItemData) -> np.ndarray:
        return _half(items.vectors, self.encoder)

    def costs(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        return self.inner.costs(points, codes)

    def reconstruct(self, codes: np.ndarray) -> np.ndarray:
        return _half(self.inner.reconstruct(codes), self.decoder)

    def state(self) -> dict[str, np.ndarray]:
        return {
            **{f"encoder {name}": array for name, array in self.encoder.items()},
            **{f"decoder {name}": array for name, array in self.decoder.items()},
            **self.inner.state(),
        }

    @classmethod
    def restored(cls, sizes: tuple[int, ...], state: Mapping[str, np.ndarray]) -> AutoEncoder:
        encoder, decoder = (
            {name.removeprefix(side): a for name, a in state.items() if name.startswith(side)}
            for side in ("encoder ", "decoder ")
        )
        return cls(encoder, decoder, Residual.restored(sizes, state))


def fit(config: IdsConfig, items: ItemData) -> Coded:
    """Codes of an auto-encoder trained on the items' vectors.

    Raises:
        UserError: fewer items than codes per level.
    """
    enough(len(items), config.sizes)
    seed = derive_seed(config.seed, "ids", "rq-vae") % 2**32
    rng = np.random.default_rng(seed)
    vectors = sampled(items.vectors, CHUNK, rng)
    threads = torch.get_num_threads()
    # one thread: sums over several threads round differently and change codes
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            quantiser = _train(vectors, config, config.rqvae, rng)
            return code_all(quantiser, items)
    finally:
        torch.set_num_threads(threads)


def _train(
    vectors: np.ndarray, config: IdsConfig, settings: RqVaeConfig, rng: np.random.Generator
) -> AutoEncoder:
    linear = _principal(vectors, settings.latent)
    start = vectors @ linear
    _, books = residual_means(start, config.sizes, config.seed, config.balanced)
    data = torch.from_numpy(np.ascontiguousarray(vectors))
    into = torch.from_numpy(linear)
    encoder, decoder = Half(into, settings.hidden), Half(into.T.contiguous(), settings.hidden)
    codebooks = nn.ParameterList(nn.Parameter(torch.from_numpy(book.copy())) for book in books)
    modules = nn.ModuleList([encoder, decoder, codebooks])
    steps = settings.epochs * -(-len(data) // settings.batch)
    optimizer = torch.optim.AdamW(modules.parameters(), lr=settings.learning_rate, weight_decay=0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(settings.epochs):
        used = [torch.zeros(size, dtype=torch.long) for size in config.sizes]
        for rows in torch.from_numpy(rng.permutation(len(data))).split(settings.batch):
            x = data[rows]
            latent = encoder(x)
            quantised, codebook_loss, codes = _quantise(
                latent, list(codebooks), settings.commitment
            )
            for count, code in zip(used, codes, strict=True):
                count += torch.bincount(code, minlength=len(count))
            through = _through(latent, quantised, rotate=settings.gradient == "rotation")
            loss = mse_loss(decoder(through), x) * x.shape[1] + codebook_loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if epoch < settings.epochs * 3 // 4:  # no moves in the last quarter, so training converges
            _revive(data, encoder, list(codebooks), used, settings.batch)
    return _finish(vectors, encoder, decoder, list(codebooks))


def _quantise(
    latent: Tensor, books: list[nn.Parameter], commitment: float
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The quantised latents ``(B, d)``, codebook and commitment loss, and the codes per level."""
    residual, quantised = latent, torch.zeros_like(latent)
    loss, codes = latent.new_zeros(()), []
    for book in books:
        with torch.no_grad():
            code = (book.square().sum(1) / 2 - residual @ book.T).argmin(1)
        centroid = book[code]
        # codebook loss moves centroids to residuals, commitment loss moves the encoder to centroids
        loss = loss + (residual.detach() - centroid).square().sum(1).mean()
        loss = loss + commitment * (residual - centroid.detach()).square().sum(1).mean()
        quantised = quantised + centroid
        residual = residual - centroid.detach()
        codes.append(code)
    return quantised, loss, codes


def _through(latent: Tensor, quantised: Tensor, *, rotate: bool) -> Tensor:
    """``quantised``, with a gradient from the decoder to the encoder.

    Straight through (van den Oord et al. 2017): the latent gets the gradient of the code. With
    ``rotate``: the gradient passes the rotation from latent to code as a constant (Fifty et al.
    2024, *Restructuring vector quantization with the rotation trick*, section 4.2).
    """
    if not rotate:
        return quantised + (latent - latent.detach())
    with torch.no_grad():
        e, q = latent, quantised
        long_e, long_q = (v.norm(dim=1, keepdim=True).clamp(min=1e-6) for v in (e, q))
        unit_e, unit_q = e / long_e, q / long_q
        mid = unit_e + unit_q
        mid = mid / mid.norm(dim=1, keepdim=True).clamp(min=1e-6)
        scale = long_q / long_e
    rotated = latent - 2 * (latent * mid).sum(1, keepdim=True) * mid
    rotated = rotated + 2 * (latent * unit_e).sum(1, keepdim=True) * unit_q
    # the value equals the code exactly, and codes get this gradient besides the codebook loss
    return scale * rotated + (quantised - (scale * rotated).detach())


@torch.no_grad()
def _revive(
    data: Tensor,
    encoder: Half,
    books: list[nn.Parameter],
    used: list[Tensor],
    batch: int,
) -> None:
    """Moves codes that were unused in an epoch to the residuals with the largest error."""
    if all(bool((count > 0).all()) for count in used):
        return
    residual = torch.cat([encoder(rows) for rows in data.split(batch)])
    for book, count in zip(books, used, strict=True):
        dead = (count == 0).nonzero()[:, 0]
        code = (book.square().sum(1) / 2 - residual @ book.T).argmin(1)
        if len(dead):
            far = (residual - book[code]).square().sum(1)
            book[dead] = residual[far.topk(min(len(dead), len(far))).indices]
            code = (book.square().sum(1) / 2 - residual @ book.T).argmin(1)
        residual = residual - book[code]


@torch.no_grad()
def _finish(
    vectors: np.ndarray, encoder: Half, decoder: Half, books: list[nn.Parameter]
) -> AutoEncoder:
    """The trained state as arrays; unused codes move to the residual with the largest error."""
    residual = _half(vectors, _arrays(encoder))
    codebooks = []
    for parameter in books:
        book = parameter.detach().numpy().copy()
        costs = distances(residual, book)
        code = costs.argmin(axis=1)
        for dead in np.setdiff1d(np.arange(len(book)), code):
            worst = int(costs[np.arange(len(residual)), code].argmax())
            book[dead] = residual[worst]
            costs[:, dead] = distances(residual, book[dead : dead + 1])[:, 0]
            code = costs.argmin(axis=1)
        residual = residual - book[code]
        codebooks.append(book)
    return AutoEncoder(_arrays(encoder), _arrays(decoder), Residual(tuple(codebooks)))


def _principal(vectors: np.ndarray, latent: int) -> np.ndarray:
    """``(D, d)``: the principal axes of the vectors (uncentred), ``d = min(latent, D)``."""
    _, axes = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    return np.ascontiguousarray(axes[:, ::-1][:, :latent], dtype=np.float32)


def _arrays(half: Half) -> dict[str, np.ndarray]:
    named = {
        "linear": half.linear,
        "up": half.up.weight,
        "up bias": half.up.bias,
        "down": half.down.weight,
        "down bias": half.down.bias,
    }
    return {name: tensor.detach().numpy().copy() for name, tensor in named.items()}


def _half(x: np.ndarray, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    inner = np.maximum(x @ weights["up"].T + weights["up bias"], 0)
    out: np.ndarray = x @ weights["linear"] + inner @ weights["down"].T + weights["down bias"]
    return out.astype(np.float32)
