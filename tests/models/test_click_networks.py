"""Click networks: field embeddings, interactions by their formulas, one request against many."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from p5rec.models.click.autoint import Attention, AutoInt
from p5rec.models.click.dcnv2 import DcnV2
from p5rec.models.click.deepfm import DeepFm
from p5rec.models.click.din import Din, TargetAttention
from p5rec.models.click.fields import PADDING, Features, FieldEmbedding
from p5rec.models.click.fm import FactorisationMachine
from p5rec.models.click.interaction import Interaction
from p5rec.models.click.layers import pairwise
from p5rec.models.click.logistic import Logistic
from p5rec.models.click.model import ClickModel, Events, Instances

ROWS, WIDTH, FIELDS, ITEM_FIELDS = 24, 4, 6, 3
NETWORKS: dict[str, Any] = {
    "logistic": Logistic,
    "fm": FactorisationMachine,
    "deepfm": lambda: DeepFm(FIELDS, WIDTH, (8, 4), 0.0),
    "dcnv2": lambda: DcnV2(FIELDS, WIDTH, 2, (8,), 0.0),
    "autoint": lambda: AutoInt(FIELDS, WIDTH, 2, 2, (8,), 0.0),
    "autoint without a perceptron": lambda: AutoInt(FIELDS, WIDTH, 1, 2, (), 0.0),
    "din": lambda: Din(FIELDS, ITEM_FIELDS, WIDTH, (8, 4), (8,), 0.0),
}


def features(*, lists: bool) -> Features:
    """Two entities and an unknown one: id and attribute, then a list, or a side vector."""
    start = 12 if lists else 1
    singles = torch.tensor([[1, 4], [2, 5], [0, 3]]) + start
    if not lists:
        vectors = torch.tensor([[1.0, 2.0], [torch.nan] * 2, [torch.nan] * 2])
        empty = torch.zeros(3, 0, 1, dtype=torch.int64), torch.zeros(3, 0)
        return Features(singles, *empty, torch.tensor([0, 3]) + start, (vectors,))
    listed = torch.tensor([[[20, 21]], [[22, PADDING]], [[19, PADDING]]])
    shares = torch.tensor([[0.5], [1.0], [1.0]])
    return Features(singles, listed, shares, torch.tensor([12, 15, 19]))


def fields(network: Interaction | None = None, width: int = WIDTH) -> FieldEmbedding:
    torch.manual_seed(0)
    first = network is not None and network.first_order
    made = FieldEmbedding(
        ROWS, features(lists=False), features(lists=True), (), width, first_order=first
    )
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    for lookup in (made.embeddings, made.weights):
        if lookup is not None:
            lookup.table.data[PADDING] = 0
    return made


def model(kind: str) -> ClickModel:
    network = NETWORKS[kind]()
    made = ClickModel(fields(network, WIDTH * (kind != "logistic")), network)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made.eval()


def instances(kind: str) -> Instances:
    users, items = torch.tensor([0, 1, -1, 0]), torch.tensor([1, 0, 0, -1])
    context = torch.zeros((4, 0), dtype=torch.int64)
    if kind != "din":
        return Instances(users, items, context)
    read = torch.tensor([[0, 1, 1], [1, -1, -1], [-1, -1, -1], [0, 0, -1]])
    labels = torch.tensor([[0, 1, 2], [2, 0, 0], [0, 0, 0], [1, 2, 0]])
    return Instances(users, items, context, Events(read, labels, read >= 0))


def test_fields_are_embeddings_means_and_projections() -> None:
    own = fields()
    table = own.embeddings.table
    context = torch.zeros((2, 0), dtype=torch.int64)
    embedded, first = own(torch.tensor([0, 1]), context, torch.tensor([0, -1]))
    assert first is None
    assert embedded.shape == (2, FIELDS, WIDTH)
    side: Any = own.embeddings.of_users[0]
    expected = [
        [table[2], table[5], torch.tensor([1.0, 2.0]) @ side.project, table[13], table[16],
         (table[20] + table[21]) / 2],
        [table[3], table[6], side.unknown, table[12], table[15], table[19]],
    ]  # fmt: skip
    torch.testing.assert_close(embedded, torch.stack([torch.stack(row) for row in expected]))


def test_dropout_gives_the_unknown_value_of_each_field() -> None:
    own = fields()
    context = torch.zeros((2, 0), dtype=torch.int64)
    rows = torch.tensor([0, 1]), context, torch.tensor([0, 1])
    unknown, _ = own(torch.tensor([-1]), context[:1], torch.tensor([-1]))
    torch.testing.assert_close(own(*rows, dropout=1.0)[0], unknown.expand(2, -1, -1))
    some, all_known = own(*rows, dropout=0.5)[0], own(*rows)[0]
    assert ((some == all_known).all(-1) | (some == unknown).all(-1)).all()


def test_the_padding_of_lists_stays_zero() -> None:
    own = fields()
    optimizer = torch.optim.Adam(own.parameters(), lr=0.1, weight_decay=0.1)
    context = torch.zeros((2, 0), dtype=torch.int64)
    embedded, _ = own(torch.arange(2), context, torch.arange(2))
    embedded.sum().backward()
    optimizer.step()
    assert (own.embeddings.table[PADDING] == 0).all()
    assert (own.embeddings.table[22] != 0).all()


@pytest.mark.parametrize("kind", NETWORKS)
def test_one_request_ranks_as_pairs_do(kind: str) -> None:
    network, batch = model(kind), instances(kind)
    items = torch.tensor([0, 1, 0])
    with torch.no_grad():
        for row in range(4):
            own = [each[row : row + 1] for each in batch[:3]]
            events = Events(*(e[row : row + 1] for e in batch.events)) if batch.events else None
            ranked = network.rank(Instances(*own, events), network.fields.of_items(items))
            repeated = Events(*(e.expand(3, -1) for e in events)) if events else None
            pairs = Instances(own[0].expand(3), items, own[2].expand(3, -1), repeated)
            torch.testing.assert_close(ranked, network(pairs))


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_weight_has_a_gradient(kind: str) -> None:
    network = model(kind)
    network(instances(kind)).square().sum().backward()
    for name, parameter in network.named_parameters():
        if parameter.numel():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_pairwise_is_the_sum_over_pairs() -> None:
    embedded = torch.randn(3, 5, 4)
    products = embedded @ embedded.transpose(1, 2)
    torch.testing.assert_close(pairwise(embedded), products.triu(1).sum((1, 2)))


def test_a_cross_layer_is_its_formula() -> None:
    network = DcnV2(2, 3, 1, (), 0.0)
    embedded = torch.randn(5, 2, 3)
    flat = embedded.flatten(1)
    crossed = flat * network.crosses[0](flat) + flat
    expected = network.out(torch.cat([crossed, flat], 1))[:, 0]
    torch.testing.assert_close(network(embedded), expected)


def test_field_attention_is_unscaled_attention() -> None:
    layer, x = Attention(4, 2), torch.randn(3, 5, 4)
    query, key, value, residual = layer.projections(x).chunk(4, -1)
    heads = [
        (q @ k.transpose(1, 2)).softmax(-1) @ v
        for q, k, v in zip(*(e.split(2, -1) for e in (query, key, value)), strict=True)
    ]
    torch.testing.assert_close(layer(x), F.relu(torch.cat(heads, -1) + residual))


def by_formula(attention: TargetAttention, query: Tensor, keys: Tensor, real: Tensor) -> Tensor:
    queries = query[:, None].expand_as(keys)
    inputs = torch.cat([queries, keys, queries - keys, queries * keys], -1)
    scores = attention.rest(attention.activation(attention.first(inputs)))
    return (scores * real[..., None] * keys).sum(1)


def test_target_attention_is_a_perceptron_over_four_inputs() -> None:
    attention = TargetAttention(6, (8, 4))
    query, keys = torch.randn(3, 6), torch.randn(3, 5, 6)
    real = torch.arange(5) < torch.tensor([[0], [2], [5]])
    pooled = attention(query, keys, real)
    torch.testing.assert_close(pooled, by_formula(attention, query, keys, real))
    assert (pooled[0] == 0).all()
    alone = attention(query, keys[1:2], real[1:2])
    torch.testing.assert_close(alone[1], pooled[1])


def test_din_reads_labels_and_ignores_padding() -> None:
    network, batch = model("din"), instances("din")
    assert batch.events is not None
    items, labels, real = batch.events
    with torch.no_grad():
        logits = network(batch)
        padded = torch.where(real, items, 1), torch.where(real, labels, 2), real
        torch.testing.assert_close(network(batch._replace(events=Events(*padded))), logits)
        other = network(batch._replace(events=Events(items, 2 * real.long(), real)))
    assert (other != logits).tolist() == [True, False, False, True]
