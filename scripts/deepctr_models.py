"""The click networks of p5rec and of deepctr-torch over the same fields, for scripts that compare
them.

Options that make deepctr-torch's models the papers' ones: DCN with full matrices and without a
linear part, AutoInt without a linear part, DIN with PReLU and unnormalised attention. Index 0 of
each of its fields is padding.

B instances, T events.
"""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from p5rec.core.rng import derive_rng
from p5rec.models.click.autoint import AutoInt
from p5rec.models.click.dcnv2 import DcnV2
from p5rec.models.click.deepfm import DeepFm
from p5rec.models.click.din import Din
from p5rec.models.click.fields import Features, FieldEmbedding
from p5rec.models.click.fm import FactorisationMachine
from p5rec.models.click.interaction import Interaction
from p5rec.models.click.logistic import Logistic
from p5rec.models.click.model import ClickModel, Events, Instances

KINDS = ("logistic", "fm", "deepfm", "dcnv2", "autoint", "din")
HIDDEN, ATTENTION, CROSSES, LAYERS, HEADS = (256, 128), (64, 16), 2, 3, 2
LIST = "genres"


@dataclass(frozen=True)
class Fields:
    """The fields of a synthetic problem.

    Attributes:
        user, item: single-valued fields and their numbers of values; the first is the id.
        values: of the items' list field; 0: items have none.
        longest: the most values of a list.
        history: T; 0: instances have no history.
    """

    user: dict[str, int]
    item: dict[str, int]
    values: int = 0
    longest: int = 6
    history: int = 0

    @property
    def starts(self) -> dict[str, int]:
        """The first code of each field in the table of p5rec."""
        sizes = {**self.user, **self.item, **({LIST: self.values} if self.values else {})}
        ends = np.cumsum([1, *sizes.values()]).tolist()
        return dict(zip([*sizes, "end"], ends, strict=True))

    @property
    def names(self) -> list[str]:
        """All fields, in order."""
        return list(self.starts)[:-1]


@dataclass(frozen=True, eq=False)
class Problem:
    """Random features and instances."""

    fields: Fields
    users: Features
    items: Features
    instances: Instances
    labels: Tensor

    @classmethod
    def of(cls, fields: Fields, count: int, seed: int = 0) -> Problem:
        """``count`` instances with random labels."""
        rng = derive_rng(seed, "click problem")
        users, items = (
            _features(fields, own, fields.values if own is fields.item else 0, rng)
            for own in (fields.user, fields.item)
        )
        n_users, n_items = (next(iter(own.values())) for own in (fields.user, fields.item))
        events = None
        if fields.history:
            shape = count, fields.history
            lengths = rng.integers(0, fields.history + 1, count)
            real = np.arange(fields.history) < lengths[:, None]
            drawn = torch.from_numpy(rng.integers(0, n_items, shape))
            labels = torch.zeros(shape, dtype=torch.int64)
            events = Events(drawn, labels, torch.from_numpy(real))
        rows = [torch.from_numpy(rng.integers(0, n, count)) for n in (n_users, n_items)]
        context = torch.zeros((count, 0), dtype=torch.int64)
        labels = torch.from_numpy(rng.integers(0, 2, count)).float()
        return cls(fields, users, items, Instances(*rows, context, events), labels)

    def columns(self) -> dict[str, np.ndarray]:
        """The instances as deepctr-torch reads them: name → ``(B,)`` or ``(B, n)``."""
        fields, starts = self.fields, self.fields.starts
        columns = {}
        sides = (self.users, self.instances.users, fields.user), (
            self.items, self.instances.items, fields.item,
        )  # fmt: skip
        for features, rows, own in sides:
            codes = features.singles[rows].numpy()
            for n, name in enumerate(own):
                columns[name] = codes[:, n] - starts[name] + 1
        if fields.values:
            codes = self.items.lists[self.instances.items, 0].numpy()
            columns[LIST] = np.where(codes, codes - starts[LIST] + 1, 0)
        if events := self.instances.events:
            codes = self.items.singles[events.items].numpy()
            for n, name in enumerate(fields.item):
                columns[f"hist_{name}"] = np.where(
                    events.real.numpy(), codes[..., n] - starts[name] + 1, 0
                )
            columns["length"] = events.real.sum(1).numpy()
        return columns


def _features(
    fields: Fields, own: dict[str, int], values: int, rng: np.random.Generator
) -> Features:
    starts, count = fields.starts, next(iter(own.values()))
    codes = [np.arange(count), *(rng.integers(0, n, count) for n in list(own.values())[1:])]
    columns = [starts[name] + each for name, each in zip(own, codes, strict=True)]
    listed = np.zeros((count, 0, 1), np.int64)
    shares = np.zeros((count, 0), np.float32)
    if values:
        drawn = rng.random((count, values)).argsort(1)[:, : fields.longest]
        lengths = rng.integers(1, fields.longest + 1, count)
        real = np.arange(fields.longest) < lengths[:, None]
        listed = np.where(real, starts[LIST] + drawn, 0)[:, None]
        shares = (1 / lengths[:, None]).astype(np.float32)
    unknown = [starts[name] for name in (*own, *([LIST] if values else []))]
    tables = [np.stack(columns, 1).astype(np.int64), listed.astype(np.int64), shares]
    return Features(
        *(torch.from_numpy(np.concatenate([each, each[:1]])) for each in tables),
        torch.tensor(unknown, dtype=torch.int64),
    )


def ours(kind: str, problem: Problem, width: int) -> ClickModel:
    """The model of p5rec."""
    count = problem.users.fields + problem.items.fields
    networks: dict[str, Any] = {
        "logistic": Logistic,
        "fm": FactorisationMachine,
        "deepfm": lambda: DeepFm(count, width, HIDDEN, 0),
        "dcnv2": lambda: DcnV2(count, width, CROSSES, HIDDEN, 0),
        "autoint": lambda: AutoInt(count, width, LAYERS, HEADS, HIDDEN, 0),
        "din": lambda: Din(count, problem.items.fields, width, ATTENTION, HIDDEN, 0),
    }
    network: Interaction = networks[kind]()
    embedding = FieldEmbedding(
        problem.fields.starts["end"],
        problem.users,
        problem.items,
        (),
        0 if kind == "logistic" else width,
        first_order=network.first_order,
    )
    return ClickModel(embedding, network)


def theirs(kind: str, fields: Fields, width: int) -> Any:
    """The model of deepctr-torch; it returns probabilities."""
    library = _library()
    single = [
        library.inputs.SparseFeat(name, count + 1, width)
        for name, count in {**fields.user, **fields.item}.items()
    ]
    columns = list(single)
    if fields.values:
        listed = library.inputs.SparseFeat(LIST, fields.values + 1, width)
        columns.append(library.inputs.VarLenSparseFeat(listed, fields.longest, "mean"))
    models, none = library.models, {"l2_reg_embedding": 0}
    if kind == "din":
        history = [
            library.inputs.VarLenSparseFeat(
                library.inputs.SparseFeat(f"hist_{name}", count + 1, width, embedding_name=name),
                fields.history, length_name="length",
            )
            for name, count in fields.item.items()
        ]  # fmt: skip
        return models.DIN(
            columns + history, list(fields.item), dnn_hidden_units=HIDDEN,
            att_hidden_size=ATTENTION, att_activation="prelu", att_weight_normalization=False,
            **none,
        )  # fmt: skip
    if kind == "dcnv2":
        return models.DCN(
            [], columns, cross_num=CROSSES, cross_parameterization="matrix",
            dnn_hidden_units=HIDDEN, l2_reg_linear=0, l2_reg_cross=0, **none,
        )  # fmt: skip
    if kind == "autoint":
        return models.AutoInt(
            [], columns, att_layer_num=LAYERS, att_head_num=HEADS, dnn_hidden_units=HIDDEN, **none
        )
    hidden = HIDDEN if kind == "deepfm" else ()
    options = {"use_fm": kind != "logistic", "dnn_hidden_units": hidden, "l2_reg_linear": 0}
    return models.DeepFM(columns, columns, **options, **none)


def _library() -> Any:
    """deepctr-torch, whose import looks for a newer version on the network: here it cannot."""
    offline: Any = types.ModuleType("requests")
    offline.codes = types.SimpleNamespace(ok=200)
    offline.get = lambda _: types.SimpleNamespace(status_code=503)
    sys.modules.setdefault("requests", offline)
    import deepctr_torch
    import deepctr_torch.inputs

    return deepctr_torch


@torch.no_grad()
def copy_weights(kind: str, model: ClickModel, other: Any, fields: Fields) -> None:
    """Copies all weights of p5rec's model into deepctr-torch's."""
    table, own = model.fields.embeddings.table, model.fields.weights
    ends = list(fields.starts.values())[1:]
    for name, start, end in zip(fields.names, fields.starts.values(), ends, strict=False):
        if kind != "logistic":  # where deepctr-torch has embeddings that it does not read
            _set(other.embedding_dict[name].weight[1:], table[start:end])
            other.embedding_dict[name].weight[0] = 0
        if own is not None:
            _set(other.linear_model.embedding_dict[name].weight[1:], own.table[start:end])
            other.linear_model.embedding_dict[name].weight[0] = 0
    network: Any = model.interaction
    other.out.bias.fill_(model.bias)
    if hasattr(network, "perceptron"):
        linear = [layer for layer in network.perceptron if isinstance(layer, nn.Linear)]
        for own, layer in zip(linear, other.dnn.linears, strict=True):
            layer.load_state_dict(own.state_dict())
        _set(other.dnn_linear.weight, network.out.weight)
    if kind == "dcnv2":
        for n, layer in enumerate(network.crosses):
            _set(other.crossnet.kernels[n], layer.weight)
            _set(other.crossnet.bias[n], layer.bias[:, None])
    if kind == "autoint":
        for own, layer in zip(network.layers, other.int_layers, strict=True):
            parts = own.projections.weight.chunk(4)
            named = layer.W_Query, layer.W_key, layer.W_Value, layer.W_Res
            for part, weight in zip(parts, named, strict=True):
                _set(weight, part.T)
    if kind == "din":
        unit = other.attention.local_att
        activations = [network.attention.activation, network.attention.rest[1]]
        for own, layer in zip(activations, unit.dnn.activation_layers, strict=True):
            _set(layer.weight, own.weight)
        layers = [network.attention.first, network.attention.rest[0]]
        for own, layer in zip(layers, unit.dnn.linears, strict=True):
            layer.load_state_dict(own.state_dict())
        unit.dense.load_state_dict(network.attention.rest[2].state_dict())


def _set(weight: Tensor, values: Tensor) -> None:
    assert weight.shape == values.shape, (weight.shape, values.shape)
    weight.copy_(values)


def as_input(other: Any, columns: dict[str, np.ndarray]) -> Tensor:
    """The matrix that deepctr-torch's model reads."""
    parts = [columns[name].reshape(len(columns[name]), -1) for name in other.feature_index]
    return torch.from_numpy(np.concatenate(parts, 1)).float()
