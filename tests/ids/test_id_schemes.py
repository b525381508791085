"""What every registered id scheme must keep, and the config that names them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p5rec.core.config import load
from p5rec.core.errors import UserError
from p5rec.core.types import Interactions, Split
from p5rec.ids.base import fit
from p5rec.ids.config import POLICIES, SCHEMES, IdsConfig

World = tuple[Interactions, Split]
TEXT = np.random.default_rng(0).normal(size=(26, 12)).astype(np.float32)


def config(scheme: str, policy: str, text: bool = False, **more: object) -> IdsConfig:
    vectors = {"text": "some" if text else None, "cooccurrence": {"dim": 8}}
    return IdsConfig(
        **{"scheme": scheme, "collisions": policy, "vectors": vectors, "codebook": 5, **more}
    )


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("policy", list(POLICIES))
@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_a_scheme_gives_every_item_its_own_codes(
    scheme: str, policy: str, text: bool, world: World
) -> None:
    vectors = TEXT if text else None
    one, two = (fit(config(scheme, policy, text), *world, vectors) for _ in range(2))
    codes = one.codes
    assert codes.codes.shape == (26, len(codes.sizes))
    assert codes.codes.dtype == np.int32
    assert codes.scheme == scheme
    assert codes.sizes[:3] == (5, 5, 5)
    assert len(np.unique(codes.codes, axis=0)) == 26
    assert (codes.codes < codes.sizes).all()
    np.testing.assert_array_equal(codes.codes, two.codes.codes)
    other = fit(config(scheme, policy, text, seed=1), *world, vectors)
    assert (other.codes.codes != codes.codes).any()


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_the_lineage_is_exactly_the_training_events(scheme: str, world: World) -> None:
    seen = fit(config(scheme, "nearest-free"), *world).lineage.events
    np.testing.assert_array_equal(seen, world[1].mask("train"))


def test_text_alone_sees_no_event(world: World) -> None:
    only_text = IdsConfig(codebook=5, vectors={"cooccurrence": None})
    assert not len(fit(only_text, *world, TEXT).lineage.events)


def test_random_without_vectors_is_uniform(world: World) -> None:
    bare = IdsConfig(scheme="random", codebook=3, vectors={"text": None, "cooccurrence": None})
    fitted = fit(bare, *world)
    assert fitted.collisions is None
    assert len(np.unique(fitted.codes.codes, axis=0)) == 26


def test_learned_codes_part_the_groups_and_random_ones_do_not(world: World) -> None:
    """The planted effect and its null twin: even and odd items never share a history."""
    mixed = {}
    for scheme in SCHEMES:
        first = fit(config(scheme, "nearest-free"), *world).codes.codes[:24, 0]
        parity = np.arange(24) % 2
        mixed[scheme] = sum(len(np.unique(parity[first == c])) > 1 for c in np.unique(first))
    assert mixed["rq-kmeans"] == 0
    assert mixed["random"] >= 3


@pytest.mark.parametrize("text", [None, TEXT[:5]])
def test_text_that_does_not_fit_is_our_fault(text: np.ndarray | None, world: World) -> None:
    with pytest.raises(ValueError, match=r"vectors\.text"):
        fit(config("rq-kmeans", "nearest-free", text=True), *world, text)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("scheme: rq-kmean", "known id scheme; did you mean 'rq-kmeans'"),
        ("collisions: nearest", "known collision policy; did you mean 'nearest-free'"),
        ("codebook: [64, 64]", "codebook names 2 levels, levels says 3"),
        ("vectors: {text: null, cooccurrence: null}", "needs vectors.text or vectors.cooccurrence"),
        ("codebooks: 64", "did you mean 'codebook'"),
        ("codebook: 1", "greater than or equal to 2"),
    ],
)
def test_a_wrong_config_is_told_with_file_and_line(line: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "ids.yaml"
    path.write_text(f"levels: 3\n{line}\n")
    with pytest.raises(UserError, match=rf"^{path}:\d") as caught:
        load(path, IdsConfig)
    assert says in str(caught.value)


def test_sizes_and_round_trip() -> None:
    assert IdsConfig(levels=2, codebook=9).sizes == (9, 9)
    chosen = IdsConfig(levels=2, codebook=[9, 4], vectors={"cooccurrence": None})
    assert chosen.sizes == (9, 4)
    assert IdsConfig(**chosen.dump()) == chosen
