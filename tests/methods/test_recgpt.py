"""RecGPT: woven histories, what they may see, recall in two steps, and users."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from p5rec.core.rng import id_keys
from p5rec.core.types import NOBODY, Corpus, Interactions
from p5rec.data.split import instances, make_split
from p5rec.data.train_events import subsample_users
from p5rec.methods.baselines.sequences import TrainingWindows
from p5rec.methods.contract import RULES, check_contract, contract_data
from p5rec.methods.systems.recgpt.method import Recgpt, RecgptPretraining
from p5rec.models.sasrec import Sasrec, SasrecShape
from p5rec.models.woven import Events, generate, weave, woven_states

pytestmark = pytest.mark.system("recgpt")

N_ITEMS, N_USERS, SEGMENT = 24, 5, 1
SMALL: dict[str, Any] = {
    "width": 8, "window": 6, "epochs": 2, "patience": 0, "batch": 64, "tune": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return contract_data()


@pytest.fixture(scope="module")
def fitted(corpus: Corpus) -> Any:
    return Recgpt(**SMALL, generated=2).learn(corpus.interactions, corpus.split)


@pytest.fixture(scope="module")
def network() -> Sasrec:
    torch.manual_seed(0)
    return Sasrec(SasrecShape(N_ITEMS, 16, 2, 2, 6, 0.5, behaviours=2, users=N_USERS)).eval()


def drawn_events(rows: int = 3, length: int = 6, seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(N_ITEMS)[:length] for _ in range(rows)])
    users = np.repeat(rng.integers(N_USERS + 1, size=(rows, 1)), length, 1)
    done = np.zeros_like(items)
    return Events(*map(torch.from_numpy, (items, done, users)))


def test_generated_items_follow_their_events_in_a_segment_of_their_own() -> None:
    events = drawn_events(rows=1, length=2)
    woven, positions = weave(events, torch.tensor([[[7, 8], [9, 10]]]), SEGMENT)
    (one, two), user = events.items[0].tolist(), int(events.users[0, 0])
    assert woven.items.tolist() == [[one, 7, 8, two, 9, 10]]
    assert woven.done.tolist() == [[0, 1, 1, 0, 1, 1]]
    assert woven.users.tolist() == [[user] * 6]
    assert positions.tolist() == [0, 0, 0, 1, 1, 1]


def test_generated_items_are_the_best_outside_of_the_history_so_far(network: Sasrec) -> None:
    events = drawn_events()
    found = generate(network, events, 2)
    with torch.no_grad():
        for t in range(6):
            prefix = Events(*(column[:, : t + 1] for column in events))
            scores = network(*prefix)[:, -1] @ network.vectors().T
            scores.scatter_(1, prefix.items, -torch.inf)
            assert torch.equal(found[:, t], scores.topk(2).indices)


def test_an_event_sees_the_items_that_earlier_events_generated(network: Sasrec) -> None:
    events = drawn_events()
    generated = generate(network, events, 2)
    other = generated.clone()
    other[:, 3] = (other[:, 3] + 1) % N_ITEMS
    with torch.no_grad():
        one, two = (woven_states(network, events, each, SEGMENT) for each in (generated, other))
    changed = (one != two).any(-1)
    assert not changed[:, :3].any()
    assert not changed[:, 3, 0].any()  # nor the event that generated them
    assert changed[:, 3, 1:].all()
    assert changed[:, 4:].all()


def test_generated_items_are_no_targets(fitted: Any, corpus: Corpus) -> None:
    windows = TrainingWindows(corpus.interactions, corpus.split, 6, 64, 0)
    batch = next(windows.batches(0))
    torch.manual_seed(0)
    with torch.no_grad():
        found = fitted.target_states(fitted.network, batch)
        torch.manual_seed(0)
        events = fitted.events(batch)
        generated = generate(fitted.network, events, 2)
        states = woven_states(fitted.network, events, generated, fitted.segment)
    assert len(found) == len(batch.row) == (batch.column > batch.after).sum()
    assert torch.equal(found, states[batch.row, batch.after, 0])


def test_the_second_step_recalls_after_items_of_the_first(fitted: Any, corpus: Corpus) -> None:
    histories = instances(corpus.interactions, corpus.split, "test")[0]
    model = replace(fitted, method=fitted.method.model_copy(update={"first": 3}))
    plain, lists = (each.recommend(histories, 10) for each in (fitted, model))
    np.testing.assert_array_equal(lists.items[:, :3], plain.items[:, :3])
    np.testing.assert_array_equal(lists.scores[:, :3], plain.scores[:, :3])
    assert (lists.items != plain.items).any()
    assert all(len({*items}) == 10 for items in lists.items.tolist())
    for b in range(4):
        own = histories.take(np.array([b])).tail(6)
        columns = (torch.from_numpy(each)[None].long() for each in fitted.columns(own))
        events = Events(*columns)
        generated = generate(fitted.network, events, 2)
        generated[0, -1] = torch.from_numpy(plain.items[b, :2])
        state = woven_states(fitted.network, events, generated, fitted.segment)[0, -1, -1]
        scores = fitted.network.vectors() @ state
        scores[histories[b].tolist() + plain.items[b, :3].tolist()] = -torch.inf
        assert lists.items[b, 3:].tolist() == scores.topk(7).indices.tolist()


def test_an_unknown_user_has_no_embedding(fitted: Any, corpus: Corpus) -> None:
    log, split = corpus.interactions, corpus.split
    histories = instances(log, split, "test")[0]
    unknown = replace(histories, users=np.full_like(histories.users, NOBODY))
    lists, others = (fitted.recommend(each, 5) for each in (histories, unknown))
    assert (lists.scores != others.scores).all()
    half = replace(subsample_users(corpus, 0.5, 0).split, seed=0)
    model = RecgptPretraining(**SMALL).learn(log, half)
    strangers = ~np.isin(np.arange(log.n_users), log.users[half.mask("train")])
    embeddings = model.network.users.weight
    assert (embeddings[:-1].any(1).numpy() == ~strangers).all()
    assert not embeddings[-1].any()
    new = histories.take(np.flatnonzero(strangers[histories.users]))
    unknown = replace(new, users=np.full_like(new.users, NOBODY))
    one, two = (model.recommend(each, 5) for each in (new, unknown))
    np.testing.assert_array_equal(one.scores, two.scores)


def test_stage_2_starts_from_the_weights_of_stage_1(corpus: Corpus, tmp_path: Path) -> None:
    stage_1 = RecgptPretraining(**SMALL)
    (tmp_path / "1").mkdir()
    stage_1.fit(corpus, tmp_path / "1", seed=0, inputs={})
    weights = stage_1.load(tmp_path / "1").network.state_dict()
    method = Recgpt(**{**SMALL, "epochs": 1, "learning_rate": 1e-9}, start="stage 1")
    (tmp_path / "2").mkdir()
    method.fit(corpus, tmp_path / "2", seed=0, inputs={"start": tmp_path / "1"})
    for name, weight in method.load(tmp_path / "2").network.state_dict().items():
        torch.testing.assert_close(weight, weights[name], rtol=0, atol=1e-6)


def test_the_control_reads_items_generated_for_others(corpus: Corpus) -> None:
    method = Recgpt(**SMALL, generated=2, permute_generated=True)
    model = method.learn(corpus.interactions, corpus.split)
    items = drawn_events().items
    drawn = model.of_others(items)
    assert drawn.shape == (3, 6, 2)
    assert np.isin(drawn.numpy(), model.others).all()
    assert len(np.unique(model.others)) > 1


def test_the_length_of_the_first_step_is_no_setting_of_a_fit(fitted: Any) -> None:
    methods = [Recgpt(**{**SMALL, "tune": {}}, first=first) for first in (None, 5)]
    assert methods[0].fit_settings() == methods[1].fit_settings()
    model = replace(fitted, method=methods[1])
    assert model.current().method == methods[0]
    assert Recgpt().fits == 1 < len(Recgpt().points())
    with pytest.raises(ValidationError, match=r"first: expected at least generated \(2\)"):
        Recgpt(first=1, generated=2, tune={})


@pytest.mark.parametrize(
    "method",
    [
        RecgptPretraining(**SMALL),
        Recgpt(**SMALL, generated=2, first=3),
        Recgpt(**SMALL, permute_generated=True),
    ],
    ids=["stage 1", "stage 2", "control"],
)
def test_it_keeps_the_contract_of_methods(method: Any, corpus: Corpus, tmp_path: Path) -> None:
    assert check_contract(method, corpus, tmp_path) == {rule: [] for rule in RULES}


def test_users_that_no_window_trains_have_no_embedding() -> None:
    rng = np.random.default_rng(0)
    lengths = [3] * 4 + [8] * 20  # users of three events have one for training
    items = np.concatenate([rng.permutation(12)[:n] for n in lengths]).astype(np.int32)
    users = np.repeat(np.arange(24, dtype=np.int32), lengths)
    keys = id_keys(range(24)), id_keys(range(12))
    log = Interactions(users, items, np.arange(len(items)), None, *keys)
    model = RecgptPretraining(**SMALL).learn(log, make_split(log, "leave-one-out"))
    embeddings = model.network.users.weight
    assert not embeddings[:4].any()
    assert embeddings[4:-1].any(1).all()


def test_generated_items_fit_the_grid_and_the_catalogue(corpus: Corpus) -> None:
    assert Recgpt(generated=4).tune["first"] == (None, 8, 5)
    assert [point.first for point in Recgpt(generated=4).points()] == [None, 8, 5]
    (line,) = Recgpt(**SMALL, generated=len(corpus.catalog)).check_data(corpus, ())
    assert line.startswith("generated: expected fewer than the")
    assert not [*Recgpt(**SMALL, generated=2).check_data(corpus, ())]
