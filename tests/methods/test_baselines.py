from dataclasses import replace

import numpy as np
import pytest

from p5rec.core.errors import UserError
from p5rec.data.matrices import history_matrix
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.methods.baselines.ease import Ease
from p5rec.methods.baselines.itemknn import ItemKnn
from p5rec.methods.predictors import EmbedsItems, Recommends
from p5rec.methods.registry import RANKING
from p5rec.methods.registry import baseline as named
from p5rec.metrics import ranking

N_ITEMS = 40
ALIKE = (  # new items, to all
    "popularity", "popularity-recency", "personal-frequency", "personal-general-frequency",
)  # fmt: skip
STOPPED = ("bpr", "sasrec")  # trained until validation, which the tuner reads as well, is no better


@pytest.fixture(scope="module")
def world(build):
    """Sixty users with 3 to 20 of 40 items, some of them twice; the last two events held out."""
    rng = np.random.default_rng(0)
    liked = 1 / np.arange(1, N_ITEMS + 1)
    draw = [rng.choice(N_ITEMS, rng.integers(3, 21), p=liked / liked.sum()) for _ in range(60)]
    return build(draw, N_ITEMS, held_out=2)


@pytest.fixture(scope="module", params=list(RANKING))
def baseline(request):
    return named(request.param)


@pytest.fixture(scope="module")
def model(baseline, world):
    return baseline.learn(*world)


REQUESTS = [[0, 3, 5], [], [7], list(range(30)), [2, 2, 9, 2], [39]]


def same(one, other):
    np.testing.assert_array_equal(one.items, other.items)
    np.testing.assert_array_equal(one.scores, other.scores)


def test_keeps_the_protocol(model, baseline):
    assert isinstance(model, Recommends)
    assert type(baseline)(**baseline.dump()) == baseline
    for config in baseline.points():
        assert type(config)(**config.dump()) == config
        assert config.points() == (config,)


def test_items_have_vectors_where_the_method_says_so(model, baseline, world, tmp_path):
    assert isinstance(model, EmbedsItems) == baseline.embeds_items
    if baseline.embeds_items:
        events, split = world
        table = model.item_vectors()
        seen = np.isin(np.arange(N_ITEMS), events.items[split.mask("train")])
        assert (table.ndim, len(table), table.dtype) == (2, N_ITEMS, np.float32)
        np.testing.assert_array_equal(~np.isnan(table).any(axis=1), seen)
        np.testing.assert_array_equal(np.isnan(table).all(axis=1), ~seen)
        model.save(tmp_path)
        np.testing.assert_array_equal(baseline.load(tmp_path).item_vectors(), table)


def test_saved_and_loaded_to_the_bit(model, baseline, ask, tmp_path):
    model.save(tmp_path)
    loaded = baseline.load(tmp_path)
    for seen in (True, False):
        lists = (m.recommend(ask(REQUESTS), 30, exclude_seen=seen) for m in (model, loaded))
        same(*lists)


def test_allowed_items_alone_are_listed(model, ask):
    within = np.arange(N_ITEMS) % 2 == 0
    never = ItemLists.joined([[b] for b in range(len(REQUESTS))])
    found = model.recommend(ask(REQUESTS), 10, allowed=Allowed(candidates=within, deny=never)).items
    every = model.recommend(ask(REQUESTS), N_ITEMS).items
    for b, row in enumerate(every):
        wanted = [i for i in row.tolist() if i >= 0 and within[i] and i != b][:10]
        assert [i for i in found[b].tolist() if i >= 0] == wanted


def test_lists_are_whole_valid_and_in_order(model, ask):
    lists = model.recommend(ask(REQUESTS), 10)
    assert lists.items.shape == lists.scores.shape == (6, 10)
    assert (lists.items.dtype, lists.scores.dtype) == (np.int32, np.float32)
    assert ranking.invalid_rate(lists.items, N_ITEMS) == 0
    assert ranking.duplicate_rate(lists.items) == 0
    assert ranking.short_rate(lists.items) == 0
    assert (np.diff(lists.scores, axis=1) <= 0).all()


def test_seen_items_are_left_out_only_when_asked(model, ask):
    requests = ask(REQUESTS)
    without = model.recommend(requests, N_ITEMS)
    for b, seen in enumerate(REQUESTS):
        assert set(without.items[b]) - {-1} == set(range(N_ITEMS)) - set(seen)
    include_seen = model.recommend(requests, N_ITEMS, exclude_seen=False)
    np.testing.assert_array_equal(np.sort(include_seen.items, axis=1)[3], np.arange(N_ITEMS))


def test_more_places_than_items(model, ask):
    lists = model.recommend(ask(REQUESTS), N_ITEMS + 5)
    assert (lists.items[:, -5:] == -1).all()
    assert np.isneginf(lists.scores[:, -5:]).all()
    assert (lists.items[1, :N_ITEMS] >= 0).all()


def test_fitting_twice_gives_the_same_lists(model, baseline, world, ask):
    again = baseline.learn(*world)
    same(model.recommend(ask(REQUESTS), 20), again.recommend(ask(REQUESTS), 20))


def test_a_batch_equals_its_requests_alone(model, ask):
    together = model.recommend(ask(REQUESTS), 12)
    for b, one in enumerate(REQUESTS):
        alone = model.recommend(ask([one], users=[b]), 12)
        np.testing.assert_array_equal(alone.items[0], together.items[b])
        np.testing.assert_array_equal(alone.scores[0], together.scores[b])
        assert alone.users[0] == together.users[b]


def test_no_requests(model, ask):
    assert model.recommend(ask([]), 5).items.shape == (0, 5)


def test_unknown_items_are_refused(model, ask):
    with pytest.raises(ValueError, match="item rows 0 to 39, got 40"):
        model.recommend(ask([[40]]), 5)


def test_training_events_alone_are_seen(model, baseline, world, ask):
    events, split = world
    read = split.mask("train") & (baseline.kind != "personal-frequency")  # which learns nothing
    np.testing.assert_array_equal(model.lineage.contains(events.event_keys), read)
    other = events.items.copy()
    unread = split.mask("test") if baseline.kind in STOPPED else ~split.mask("train")
    other[unread] = 0
    blind = baseline.learn(
        replace(events, items=other, ratings=None),
        split,
    )
    same(model.recommend(ask(REQUESTS), 20), blind.recommend(ask(REQUESTS), 20))


@pytest.mark.parametrize("name", [name for name in RANKING if name not in ALIKE])
def test_checkerboard(name, build, ask):
    """Even users like even items: whoever learns from others never leaves the colour."""
    rng = np.random.default_rng(1)
    liked = [2 * rng.permutation(25)[:12] + user % 2 for user in range(80)]
    method = named(name)
    if name == "tifu-knn":  # with all users as neighbours it is popularity
        method = method.model_copy(update={"neighbours": 20})
    if name in STOPPED:  # nothing validates here, and learning by heart is no use
        method = method.model_copy(update={"epochs": 25})
    lists = method.learn(*build(liked, 50)).recommend(ask(liked), 10)
    assert (lists.items % 2 == np.arange(80)[:, None] % 2).mean() > 0.98


def test_popularity_counts_training_events(build, ask):
    events, split = build([[0, 1, 2], [1, 0, 2], [1, 3, 2]], 5, held_out=1)
    lists = named("popularity").learn(events, split).recommend(ask([[]]), 3)
    assert lists.items[0].tolist() == [1, 0, 3]
    assert lists.scores[0].tolist() == [3, 2, 1]


def test_item_knn_by_hand(build, ask):
    events, split = build([[0, 1], [0, 1, 2], [0, 3], [3]], 4)
    model = ItemKnn(neighbours=2, shrink=1.0).learn(events, split)
    # users who have each item: 3, 2, 1, 2; met together: 0-1 two, 0-2 one, 0-3 one, 1-2 one
    two, one = 2 / (np.sqrt(6) + 1), [1 / (np.sqrt(3) + 1), 1 / (np.sqrt(6) + 1)]
    np.testing.assert_allclose(model.similar.toarray()[0], [0, two, one[0], 0], rtol=1e-6)
    np.testing.assert_allclose(model.similar.toarray()[3], [one[1], 0, 0, 0], rtol=1e-6)
    lists = model.recommend(ask([[1, 3]]), 2)
    assert lists.items[0].tolist() == [0, 2]
    np.testing.assert_allclose(lists.scores[0], [two + one[1], 1 / (np.sqrt(2) + 1)], rtol=1e-6)


def test_ease_solves_the_papers_problem(build):
    rng = np.random.default_rng(2)
    liked = [rng.permutation(8)[: rng.integers(2, 6)] for _ in range(30)]
    events, split = build(liked, 8)
    weights = Ease(l2=3.0).learn(events, split).weights
    assert weights.flags.c_contiguous  # or each block of users would copy them
    weights = weights.astype(float)
    x = np.zeros((30, 8))
    x[events.users, events.items] = 1
    assert (np.diag(weights) == 0).all()
    # at the optimum the gradient of |X - XB|^2 + l2 |B|^2 vanishes off the diagonal
    gradient = x.T @ (x @ weights - x) + 3 * weights
    assert np.abs(gradient[~np.eye(8, dtype=bool)]).max() < 1e-4


def test_ease_refuses_a_catalogue_it_cannot_hold(build):
    with pytest.raises(UserError, match="ease: expected at most 3 items, got 4"):
        Ease(max_items=3).learn(*build([[0, 1]], 4))


def test_half_life_weighs_the_end_of_a_history(ask):
    weights = history_matrix(ask([[0, 1, 0, 2], [], [3]]), 5, half_life=1.0).toarray()
    np.testing.assert_allclose(weights, [[0.5, 0.25, 1, 0, 0], [0] * 5, [0, 0, 0, 1, 0]])
    alike = history_matrix(ask([[0, 1, 0, 2]]), 5, half_life=None).toarray()
    np.testing.assert_array_equal(alike, [[1, 1, 1, 0, 0]])


def test_recency_finds_order_and_its_twin_does_not(build, ask):
    """Two groups of items; who moved to the second wants more of it, whatever came before."""
    rng = np.random.default_rng(3)
    of_users = [rng.permutation(10)[:6] + 10 * (user % 2) for user in range(60)]
    events, split = build(of_users, 20)
    moved = ask([[0, 1, 2, 3, 4, 10, 11]])
    for name, group in (("ease", 0), ("ease-recency", 10)):
        method = Ease(l2=5.0, half_life=None if name == "ease" else 1.0)
        first = method.learn(events, split).recommend(moved, 1).items[0, 0]
        assert group <= first < group + 10
