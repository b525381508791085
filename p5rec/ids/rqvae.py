"""Residual quantisation inside an auto-encoder, all of it learned together.

Lee et al. 2022 (*RQ-VAE*, section 3.1), as TIGER makes item ids with (Rajput et al. 2023, section
3.1). DEVIATION: encoder and decoder are a linear map and its transpose with a perceptron beside
each that says nothing at first, and the codebooks start as residual k-means: training begins where
``rq-kmeans`` ends and can only improve on it.
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
from .quantiser import ROWS, Coded, ItemData, Residual, code_all, distances
from .rqkmeans import enough, residual_means


class Half(nn.Module):
    """``x @ linear`` and a perceptron that starts at zero: an encoder, or a decoder."""

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

    def see(self, items: ItemData) -> np.ndarray:
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
        UserError: fewer items than codes a level.
    """
    enough(len(items), config.sizes)
    seed = derive_seed(config.seed, "ids", "rq-vae") % 2**32
    rng = np.random.default_rng(seed)
    vectors = sampled(items.vectors, ROWS, rng)
    threads = torch.get_num_threads()
    # one thread: sums over several are rounded differently, and then the codes differ
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            quantiser = _trained(vectors, config, config.rqvae, rng)
            return code_all(quantiser, items)
    finally:
        torch.set_num_threads(threads)


def _trained(
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
            said, apart, codes = _quantise(latent, list(codebooks), settings.commitment)
            for count, code in zip(used, codes, strict=True):
                count += torch.bincount(code, minlength=len(count))
            through = _through(latent, said, rotate=settings.gradient == "rotation")
            loss = mse_loss(decoder(through), x) * x.shape[1] + apart
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if epoch < settings.epochs * 3 // 4:  # the last quarter settles
            _revive(data, encoder, list(codebooks), used, settings.batch)
    return _settled(vectors, encoder, decoder, list(codebooks))


def _quantise(
    latent: Tensor, books: list[nn.Parameter], commitment: float
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """What the codes say ``(B, d)``, the loss that draws codes and latents together, the codes."""
    left, said = latent, torch.zeros_like(latent)
    loss, codes = latent.new_zeros(()), []
    for book in books:
        with torch.no_grad():
            code = (book.square().sum(1) / 2 - left @ book.T).argmin(1)
        row = book[code]
        # the codebook goes to the residual, and the encoder to the codebook
        loss = loss + (left.detach() - row).square().sum(1).mean()
        loss = loss + commitment * (left - row.detach()).square().sum(1).mean()
        said = said + row
        left = left - row.detach()
        codes.append(code)
    return said, loss, codes


def _through(latent: Tensor, said: Tensor, *, rotate: bool) -> Tensor:
    """``said``, and a way for the decoder's gradient back to the encoder.

    Straight through (van den Oord et al. 2017): the gradient at the code is that at the latent.
    Or by the rotation that takes the latent to the code, held constant (Fifty et al. 2024,
    *Restructuring vector quantization with the rotation trick*, section 4.2).
    """
    if not rotate:
        return said + (latent - latent.detach())
    with torch.no_grad():
        e, q = latent, said
        long_e, long_q = (v.norm(dim=1, keepdim=True).clamp(min=1e-6) for v in (e, q))
        unit_e, unit_q = e / long_e, q / long_q
        mid = unit_e + unit_q
        mid = mid / mid.norm(dim=1, keepdim=True).clamp(min=1e-6)
        scale = long_q / long_e
    turned = latent - 2 * (latent * mid).sum(1, keepdim=True) * mid
    turned = turned + 2 * (latent * unit_e).sum(1, keepdim=True) * unit_q
    # the value is the code's exactly; codes learn through the other loss, and here as well
    return scale * turned + (said - (scale * turned).detach())


@torch.no_grad()
def _revive(
    data: Tensor,
    encoder: Half,
    books: list[nn.Parameter],
    used: list[Tensor],
    batch: int,
) -> None:
    """Codes that no item chose in an epoch move to residuals that are served worst."""
    if all(bool((count > 0).all()) for count in used):
        return
    left = torch.cat([encoder(rows) for rows in data.split(batch)])
    for book, count in zip(books, used, strict=True):
        dead = (count == 0).nonzero()[:, 0]
        code = (book.square().sum(1) / 2 - left @ book.T).argmin(1)
        if len(dead):
            far = (left - book[code]).square().sum(1)
            book[dead] = left[far.topk(min(len(dead), len(far))).indices]
            code = (book.square().sum(1) / 2 - left @ book.T).argmin(1)
        left = left - book[code]


@torch.no_grad()
def _settled(
    vectors: np.ndarray, encoder: Half, decoder: Half, books: list[nn.Parameter]
) -> AutoEncoder:
    """The trained parts as arrays; a code that no item has moves onto an item it would serve."""
    left = _half(vectors, _arrays(encoder))
    kept = []
    for parameter in books:
        book = parameter.detach().numpy().copy()
        costs = distances(left, book)
        code = costs.argmin(axis=1)
        for dead in np.setdiff1d(np.arange(len(book)), code):
            worst = int(costs[np.arange(len(left)), code].argmax())
            book[dead] = left[worst]
            costs[:, dead] = distances(left, book[dead : dead + 1])[:, 0]
            code = costs.argmin(axis=1)
        left = left - book[code]
        kept.append(book)
    return AutoEncoder(_arrays(encoder), _arrays(decoder), Residual(tuple(kept)))


def _principal(vectors: np.ndarray, latent: int) -> np.ndarray:
    """``(D, d)``: the axes along which the vectors are longest, ``d = min(latent, D)``."""
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
    out: np.ndarray = x @ weights["ease"] + inner @ weights["down"].T + weights["down bias"]
    return out.astype(np.float32)
