"""Contracts of all registered id schemes, and their config."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from p5rec.core.config import load
from p5rec.core.errors import UserError
from p5rec.core.types import TRAIN, Corpus, Split
from p5rec.ids.base import fit
from p5rec.ids.config import BY_EVENTS, BY_VECTORS, POLICIES, SCHEMES, IdsConfig
from p5rec.ids.prefixes import prefix_groups, sharing
from p5rec.ids.tokens import item_strings

TEXT = np.random.default_rng(0).normal(size=(26, 12)).astype(np.float32)


def config(scheme: str, policy: str | None = None, text: bool = False, **more: object):
    vectors = {"text": "some" if text else None, "cooccurrence": {"dim": 8}}
    settings = {
        "scheme": scheme, "collisions": policy, "vectors": vectors, "codebook": 5,
        "attribute": "path", "accept": ["utilisation", "unique"], "rqvae": {"epochs": 3},
    }  # fmt: skip
    return IdsConfig(**{**settings, **more})


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("policy", list(POLICIES))
@pytest.mark.parametrize("scheme", list(SCHEMES))
@pytest.mark.system("semantic-ids")
def test_a_scheme_gives_every_item_its_own_codes(
    scheme: str, policy: str, text: bool, corpus: Corpus
) -> None:
    if scheme == "category" and policy not in ("extra-level", "shared"):
        with pytest.raises(UserError, match="at most 12 items for levels of 3, 4, 1 codes"):
            fit(config(scheme, policy), corpus)
        return
    views = {"text": TEXT} if text else {}
    one, two = (fit(config(scheme, policy, text), corpus, views) for _ in range(2))
    codes = one.codes
    assert codes.codes.shape == (26, len(codes.sizes))
    assert codes.codes.dtype == np.int32
    assert codes.scheme == scheme
    assert len(np.unique(codes.codes, axis=0)) == 26
    assert (codes.codes >= 0).all()
    assert (codes.codes < codes.sizes).all()
    np.testing.assert_array_equal(codes.codes, two.codes.codes)
    assert one.collisions.after == 0
    assert len(set(item_strings(codes))) == 26
    assert codes.tied == (policy == "shared" and one.collisions.before > 0)


@pytest.mark.parametrize("scheme", sorted(set(SCHEMES) - {"title", "category"}))
def test_another_seed_gives_other_codes(scheme: str, corpus: Corpus) -> None:
    one, other = (fit(config(scheme, seed=seed), corpus).codes.codes for seed in (0, 1))
    if scheme == "sequential":  # items with training events have the same number for any seed
        assert (one != other).any(axis=1).sum() <= 2
    else:
        assert (one != other).any()


@pytest.mark.parametrize("scheme", list(SCHEMES))
@pytest.mark.system("semantic-ids")
def test_the_lineage_is_exactly_the_training_events(scheme: str, corpus: Corpus) -> None:
    seen = fit(config(scheme), corpus).lineage.contains(corpus.interactions.event_keys)
    np.testing.assert_array_equal(seen, corpus.split.mask("train"))
    bare = config(scheme, text=True, vectors={"text": "some", "cooccurrence": None})
    alone = fit(bare, corpus, {"text": TEXT}).lineage.events
    assert bool(len(alone)) == (scheme in BY_EVENTS)


@pytest.mark.parametrize("scheme", list(SCHEMES))
@pytest.mark.system("semantic-ids")
def test_held_out_events_change_nothing(scheme: str, corpus: Corpus) -> None:
    log, split = corpus.interactions, corpus.split
    other = log.items.copy()
    held_out = split.of_event != TRAIN
    other[held_out] = np.random.default_rng(0).permutation(other[held_out]) % 24
    changed = replace(corpus, interactions=replace(log, items=other))
    one, two = (fit(config(scheme), each).codes.codes for each in (corpus, changed))
    np.testing.assert_array_equal(one, two)


def test_learned_codes_separate_the_groups_and_random_ones_do_not(corpus: Corpus) -> None:
    """A planted effect and its null twin: even and odd items never share a history."""
    parity = np.arange(24) % 2

    def mixed(**settings: object) -> int:
        first = fit(config(**settings), corpus).codes.codes[:24, 0]
        return sum(len(np.unique(parity[first == c])) > 1 for c in np.unique(first))

    for scheme in ("rq-kmeans", "h-kmeans", "rq-vae", "cid", "cid-iid"):
        assert mixed(scheme=scheme) == 0, scheme
    assert mixed(scheme="random") >= 3
    assert mixed(scheme="rq-kmeans", permute=True) >= 3


@pytest.mark.system("semantic-ids")
def test_the_permutation_control_has_the_same_code_tuples(corpus: Corpus) -> None:
    learned, control = (fit(config("rq-kmeans", permute=p), corpus) for p in (False, True))
    assert sorted(map(tuple, learned.codes.codes)) == sorted(map(tuple, control.codes.codes))
    assert control.codes.scheme == "rq-kmeans, permuted"
    assert control.quantiser is None  # no quantiser reproduces permuted codes


def test_sequential_numbers_follow_training_and_end_with_unseen_items(corpus: Corpus) -> None:
    codes = fit(config("sequential"), corpus).codes
    number = codes.codes @ np.array([25, 5, 1])
    log = corpus.interactions
    mentioned = log.items[corpus.split.mask("train")]
    _, first = np.unique(mentioned, return_index=True)
    order = mentioned[np.sort(first)]
    assert number[order].tolist() == list(range(len(order)))
    assert sorted(number[24:].tolist()) == [24, 25]
    assert codes.sizes == (2, 5, 5)


def test_titles_and_categories_come_from_the_item_table(corpus: Corpus) -> None:
    titles = fit(config("title", "extra-level", levels=2), corpus).codes
    groups = prefix_groups(titles.codes, 1)
    assert [len(set(groups[start:24:2])) for start in (0, 1)] == [1, 1]  # even ..., odd ...
    assert titles.sizes[:2] == (3, 2)  # even, odd and any other; "thing" and any other
    paths = fit(config("category", "extra-level", levels=2), corpus).codes
    left, right = (paths.codes[start::2] for start in (0, 1))
    assert set(left[:, 0].tolist()) != set(right[:, 0].tolist())
    assert len(np.unique(paths.codes[:, :2], axis=0)) == 6
    with pytest.raises(
        UserError, match=r"expected an attribute of the items \(path\), got 'aisle'"
    ):
        fit(config("category", attribute="aisle"), corpus)


def test_own_tokens_are_unique(corpus: Corpus) -> None:
    codes = fit(config("cid-iid"), corpus).codes
    assert codes.sizes == (5, 5, 5, 26)
    assert sorted(codes.codes[:, -1].tolist()) == list(range(26))


@pytest.mark.parametrize("rows", [None, 5])
def test_views_of_wrong_shape_are_programming_errors(rows: int | None, corpus: Corpus) -> None:
    views = {} if rows is None else {"text": TEXT[:rows]}
    with pytest.raises(ValueError, match="vectors"):
        fit(config("rq-kmeans", text=True), corpus, views)


def test_codes_below_a_quality_threshold_are_errors_unless_accepted(corpus: Corpus) -> None:
    few = {"levels": 1, "codebook": 5, "policy": "extra-level"}
    with pytest.raises(UserError, match=r"expected 60% of the items or more to differ .* got 19%"):
        fit(config("rq-kmeans", accept=[], **few), corpus)
    assert len(fit(config("rq-kmeans", accept=["unique"], **few), corpus).codes) == 26
    wide = {"levels": 2, "codebook": [26, 26]}
    with pytest.raises(UserError, match=r"80% of level b's 26 codes or more in use, got \d+%"):
        fit(config("h-kmeans", accept=["unique"], **wide), corpus)
    assert sharing(fit(config("h-kmeans", accept=["utilisation"], **wide), corpus).codes.codes) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("scheme: rq-kmean", "known id scheme, got 'rq-kmean'; did you mean 'rq-kmeans'"),
        (
            "collisions: nearest",
            "known collision policy, got 'nearest'; did you mean 'nearest-free'",
        ),
        ("codebook: [64, 64]", "expected 3 codebook sizes, one per level, got 2"),
        ("vectors: {text: null, cooccurrence: null}", "needs vectors.text or another view"),
        ("codebooks: 64", "did you mean 'codebook'"),
        ("codebook: 1", "greater than or equal to 2"),
        ("scheme: category", "scheme category needs attribute"),
        ("accept: [everything]", "accept"),
    ],
)
def test_a_wrong_config_names_file_and_line(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "ids.yaml"
    path.write_text(f"levels: 3\n{line}\n")
    with pytest.raises(UserError, match=rf"^{path}:\d") as caught:
        load(path, IdsConfig)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("items", "levels", "book"),
    [(1682, 2, 64), (12101, 2, 256), (8192, 2, 128), (8193, 2, 256), (12101, 3, 32), (1, 2, 2)],
)
def test_codebooks_grow_with_the_catalogue(items: int, levels: int, book: int) -> None:
    config = IdsConfig(levels=levels, codebook="auto")
    assert config.sized(items).sizes == (book,) * levels
    assert (book // 2) ** levels < 2 * items <= book**levels
    assert IdsConfig(levels=levels).sized(items) == IdsConfig(levels=levels)
    with pytest.raises(ValueError, match="expected codebooks sized for a catalogue"):
        assert config.sizes


@pytest.mark.parametrize(
    ("items", "levels", "book"), [(1682, 32, 32), (12101, 32, 256), (8192, 32, 256), (5, 32, 2)]
)
def test_shared_codes_are_no_more_than_the_items(items: int, levels: int, book: int) -> None:
    sized = IdsConfig(scheme="opq", levels=levels, codebook="shared").sized(items)
    assert sized.sizes == (book,) * levels
    assert levels * book <= items < 2 * levels * book or book == 2


def test_sizes_and_round_trip() -> None:
    assert IdsConfig(levels=2, codebook=9).sizes == (9, 9)
    chosen = IdsConfig(levels=2, codebook=[9, 4], vectors={"cooccurrence": None})
    assert chosen.sizes == (9, 4)
    assert IdsConfig(**chosen.dump()) == chosen
    assert chosen.reseeded(3).seed == 3
    assert set(SCHEMES) >= BY_VECTORS | BY_EVENTS


def test_a_split_without_pairs_is_an_error(corpus: Corpus) -> None:
    nobody = replace(corpus, split=Split("none", np.full(len(corpus.interactions), 2, np.int8)))
    with pytest.raises(UserError, match="training histories in which items co-occur"):
        fit(config("rq-kmeans"), nobody)
