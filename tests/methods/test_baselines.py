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
IMPERSONAL = (  # equal new items for all users
    "popularity", "popularity-recency", "personal-frequency", "personal-general-frequency",
)  # fmt: skip
STOPPED = ("bpr", "sasrec")  # trained with early stopping on validation events


@pytest.fixture(scope="module")
def dataset(build):
    """Sixty users with 3 to 20 of 40 items, some of them twice; the last two events held out."""
    rng = np.random.default_rng(0)
    liked = 1 / np.arange(1, N_ITEMS + 1)
    draw = [rng.choice(N_ITEMS, rng.integers(3, 21), p=liked / liked.sum()) for _ in range(60)]
    return build(draw, N_ITEMS, held_out=2)


@pytest.fixture(scope="module", params=list(RANKING))
def baseline(request):
    return named(request.param)


@pytest.fixture(scope="module")
def model(baseline, dataset):
    return baseline.learn(*dataset)


REQUESTS = [[0, 3, 5], [], [7], list(range(30)), [2, 2, 9, 2], [39]]


def same(history, other):
    np.testing.assert_array_equal(history.items, other.items)
    np.testing.assert_array_equal(history.scores, other.scores)


def test_methods_follow_the_protocol(model, baseline):
    assert isinstance(model, Recommends)
    assert type(baseline)(**baseline.dump()) == baseline
    for config in baseline.points():
        assert type(config)(**config.dump()) == config
        assert config.points() == (config,)


def test_methods_with_item_vectors_embed_items(model, baseline, dataset, tmp_path):
    assert isinstance(model, EmbedsItems) == baseline.embeds_items
    if baseline.embeds_items:
        events, split = dataset
        table = model.item_vectors()
        seen = np.isin(np.arange(N_ITEMS), events.items[split.mask("train")])
        assert (table.ndim, len(table), table.dtype) == (2, N_ITEMS, np.float32)
        np.testing.assert_array_equal(~np.isnan(table).any(axis=1), seen)
        np.testing.assert_array_equal(np.isnan(table).all(axis=1), ~seen)
        model.save(tmp_path)
        np.testing.assert_array_equal(baseline.load(tmp_path).item_vectors(), table)


def test_lists_survive_saving_bit_by_bit(model, baseline, make_requests, tmp_path):
    model.save(tmp_path)
    loaded = baseline.load(tmp_path)
    for seen in (True, False):
        lists = (
            m.recommend(make_requests(REQUESTS), 30, exclude_seen=seen) for m in (model, loaded)
        )
        same(*lists)


def test_allowed_items_alone_are_recommended(model, make_requests):
    candidates = np.arange(N_ITEMS) % 2 == 0
    denied = ItemLists.joined([[b] for b in range(len(REQUESTS))])
    listed = model.recommend(
        make_requests(REQUESTS), 10, allowed=Allowed(candidates=candidates, deny=denied)
    ).items
    full = model.recommend(make_requests(REQUESTS), N_ITEMS).items
    for b, row in enumerate(full):
        wanted = [i for i in row.tolist() if i >= 0 and candidates[i] and i != b][:10]
        assert [i for i in listed[b].tolist() if i >= 0] == wanted


def test_lists_are_full_valid_and_sorted(model, make_requests):
    lists = model.recommend(make_requests(REQUESTS), 10)
    assert lists.items.shape == lists.scores.shape == (6, 10)
    assert (lists.items.dtype, lists.scores.dtype) == (np.int32, np.float32)
    assert ranking.invalid_rate(lists.items, N_ITEMS) == 0
    assert ranking.duplicate_rate(lists.items) == 0
    assert ranking.short_rate(lists.items) == 0
    assert (np.diff(lists.scores, axis=1) <= 0).all()


def test_seen_items_are_left_out_on_request(model, make_requests):
    requests = make_requests(REQUESTS)
    without = model.recommend(requests, N_ITEMS)
    for b, seen in enumerate(REQUESTS):
        assert set(without.items[b]) - {-1} == set(range(N_ITEMS)) - set(seen)
    include_seen = model.recommend(requests, N_ITEMS, exclude_seen=False)
    np.testing.assert_array_equal(np.sort(include_seen.items, axis=1)[3], np.arange(N_ITEMS))


def test_k_above_the_number_of_items(model, make_requests):
    lists = model.recommend(make_requests(REQUESTS), N_ITEMS + 5)
    assert (lists.items[:, -5:] == -1).all()
    assert np.isneginf(lists.scores[:, -5:]).all()
    assert (lists.items[1, :N_ITEMS] >= 0).all()


def test_fitting_twice_gives_the_same_lists(model, baseline, dataset, make_requests):
    again = baseline.learn(*dataset)
    same(model.recommend(make_requests(REQUESTS), 20), again.recommend(make_requests(REQUESTS), 20))


def test_lists_do_not_depend_on_the_batch(model, make_requests):
    together = model.recommend(make_requests(REQUESTS), 12)
    for b, history in enumerate(REQUESTS):
        alone = model.recommend(make_requests([history], users=[b]), 12)
        np.testing.assert_array_equal(alone.items[0], together.items[b])
        np.testing.assert_array_equal(alone.scores[0], together.scores[b])
        assert alone.users[0] == together.users[b]


def test_no_requests(model, make_requests):
    assert model.recommend(make_requests([]), 5).items.shape == (0, 5)


def test_unknown_items_are_refused(model, make_requests):
    with pytest.raises(ValueError, match="item rows 0 to 39, got 40"):
        model.recommend(make_requests([[40]]), 5)


def test_training_events_alone_are_used(model, baseline, dataset, make_requests):
    events, split = dataset
    read = split.mask("train") & (baseline.kind != "personal-frequency")  # which has no parameters
    np.testing.assert_array_equal(model.lineage.contains(events.event_keys), read)
    other = events.items.copy()
    unread = split.mask("test") if baseline.kind in STOPPED else ~split.mask("train")
    other[unread] = 0
    blind = baseline.learn(
        replace(events, items=other, ratings=None),
        split,
    )
    same(model.recommend(make_requests(REQUESTS), 20), blind.recommend(make_requests(REQUESTS), 20))


@pytest.mark.parametrize("name", [name for name in RANKING if name not in IMPERSONAL])
def test_checkerboard(name, build, make_requests):
    """Even users like even items: collaborative methods recommend items of the user's colour."""
    rng = np.random.default_rng(1)
    liked = [2 * rng.permutation(25)[:12] + user % 2 for user in range(80)]
    method = named(name)
    if name == "tifu-knn":  # with all users as neighbours it is popularity
        method = method.model_copy(update={"neighbours": 20})
    if name in STOPPED:  # there are no validation events here, and overfitting does not help
        method = method.model_copy(update={"epochs": 25})
    lists = method.learn(*build(liked, 50)).recommend(make_requests(liked), 10)
    assert (lists.items % 2 == np.arange(80)[:, None] % 2).mean() > 0.98


def test_popularity_counts_training_events(build, make_requests):
    events, split = build([[0, 1, 2], [1, 0, 2], [1, 3, 2]], 5, held_out=1)
    lists = named("popularity").learn(events, split).recommend(make_requests([[]]), 3)
    assert lists.items[0].tolist() == [1, 0, 3]
    assert lists.scores[0].tolist() == [3, 2, 1]


def test_item_knn_by_hand(build, make_requests):
    events, split = build([[0, 1], [0, 1, 2], [0, 3], [3]], 4)
    model = ItemKnn(neighbours=2, shrink=1.0).learn(events, split)
    # users of each item: 3, 2, 1, 2; of each pair: 0-1 two, 0-2 one, 0-3 one, 1-2 one
    two, history = 2 / (np.sqrt(6) + 1), [1 / (np.sqrt(3) + 1), 1 / (np.sqrt(6) + 1)]
    np.testing.assert_allclose(model.similar.toarray()[0], [0, two, history[0], 0], rtol=1e-6)
    np.testing.assert_allclose(model.similar.toarray()[3], [history[1], 0, 0, 0], rtol=1e-6)
    lists = model.recommend(make_requests([[1, 3]]), 2)
    assert lists.items[0].tolist() == [0, 2]
    np.testing.assert_allclose(lists.scores[0], [two + history[1], 1 / (np.sqrt(2) + 1)], rtol=1e-6)


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


def test_ease_refuses_a_large_catalogue(build):
    with pytest.raises(UserError, match="ease: expected at most 3 items, got 4"):
        Ease(max_items=3).learn(*build([[0, 1]], 4))


def test_half_life_weights_recent_events(make_requests):
    weights = history_matrix(make_requests([[0, 1, 0, 2], [], [3]]), 5, half_life=1.0).toarray()
    np.testing.assert_allclose(weights, [[0.5, 0.25, 1, 0, 0], [0] * 5, [0, 0, 0, 1, 0]])
    alike = history_matrix(make_requests([[0, 1, 0, 2]]), 5, half_life=None).toarray()
    np.testing.assert_array_equal(alike, [[1, 1, 1, 0, 0]])


def test_recency_variants_use_order(build, make_requests):
    """Two groups of items; a user with recent events in the second group wants more of it."""
    rng = np.random.default_rng(3)
    of_users = [rng.permutation(10)[:6] + 10 * (user % 2) for user in range(60)]
    events, split = build(of_users, 20)
    moved = make_requests([[0, 1, 2, 3, 4, 10, 11]])
    for name, group in (("ease", 0), ("ease-recency", 10)):
        method = Ease(l2=5.0, half_life=None if name == "ease" else 1.0)
        first = method.learn(events, split).recommend(moved, 1).items[0, 0]
        assert group <= first < group + 10
