"""The ways to train that ``bench_train`` holds side by side: stock ``SFTTrainer``, and ours.

Each way is a process of its own. After every step it says what the step took and waits for its
next turn, so that all ways train through the same minutes of the machine.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from decode_ways import finished
from transformers import PrinterCallback, TrainerCallback
from trl import SFTConfig, SFTTrainer

from p5rec.core.artefacts import Store
from p5rec.core.paths import cache_home
from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus
from p5rec.data.config import DataConfig
from p5rec.data.prepare import load_corpus, prepare_data
from p5rec.ids.config import IdsConfig
from p5rec.ids.files import load_codes
from p5rec.methods.generative.method import Generative
from p5rec.models.checkpoint import Bundle, build
from p5rec.pipeline.ids import build_ids
from p5rec.pipeline.prepared import Prepared
from p5rec.train.examples.row import IGNORE, Row, Rows
from p5rec.train.learner import settings_of, taught_prompts
from p5rec.train.schedule import Schedule
from p5rec.train.sft import fit
from p5rec.train.training_data import build_training_data

MOVIELENS = DataConfig(source="recbole", path="ml-100k")
IDS = {"levels": 2, "codebook": 64, "vectors": {"text": None, "cooccurrence": {}}}


class Listed(list[Row]):
    """Rows made before anybody trains."""

    @cached_property
    def lengths(self) -> np.ndarray:
        """``(R,)`` tokens a row."""
        return np.array([len(row.labels) for row in self])


@dataclass(frozen=True, eq=False)
class Contest:
    """What is to be learned.

    Attributes:
        method: backbone and training.
        corpus: the data.
        bundle: the untrained model, the same in every process.
        rows: of each task.
        task_of: ``(S,)`` each slot's task.
    """

    method: Generative
    corpus: Corpus
    bundle: Bundle
    rows: Mapping[str, Rows]
    task_of: np.ndarray

    def read(self, steps: int) -> list[Row]:
        """The rows of the first ``steps`` steps, in the order in which ours reads them."""
        schedule = Schedule(self.rows, self.task_of, self.method.train)
        tables, read = list(self.rows.values()), schedule.order[: steps * self.method.train.slots]
        filled = zip(*schedule.collator(0, None).filled(read), strict=True)
        return [tables[task][int(n)] for task, n in filled]


def contest(method: Generative, source: DataConfig = MOVIELENS) -> Contest:
    """``method`` on the data of ``source``, items named by co-occurrence codes.

    It has no rating heads: a stock trainer knows no such thing.
    """
    store = Store(cache_home() / "store", say=lambda _: None)
    data = prepare_data(source, store)
    corpus = load_corpus(data.path)
    (ids,) = build_ids(IdsConfig.model_validate(IDS), {}, Prepared(corpus, data, store))
    codes = load_codes(ids.path, corpus.catalog.ids)
    library = taught_prompts(method)
    settings = settings_of(method, corpus).model_copy(update={"scale": ()})
    bundle = build(settings, codes, corpus.catalog.ids, library.subset_dump())
    return Contest(method, corpus, bundle, *build_training_data(method, corpus, bundle, library))


def listed(contest: Contest) -> Contest:
    """``contest`` with its rows made now, so that no way waits for them."""
    rows = {
        name: Listed(table[i] for i in range(len(table))) for name, table in contest.rows.items()
    }
    return Contest(contest.method, contest.corpus, contest.bundle, rows, contest.task_of)


class OneTarget:
    """A history of item codes, its next item the only target; every training event once.

    Args:
        n: rows.
    """

    def __init__(self, contest: Contest, n: int) -> None:
        log, self.contest = contest.corpus.interactions, contest
        self.events = np.flatnonzero(contest.corpus.split.mask("train"))
        users = log.users[self.events]
        self.first = np.searchsorted(users, users)  # of the same user
        later = np.flatnonzero(self.first < np.arange(len(users)))
        self.target = np.resize(derive_rng(0, "one target").permutation(later), n)
        self.start = np.maximum(
            self.first[self.target], self.target - contest.method.train.dense.window + 1
        )

    def __len__(self) -> int:
        return len(self.target)

    @property
    def lengths(self) -> np.ndarray:
        """``(R,)`` tokens a row."""
        levels = self.contest.bundle.layout.codes.levels
        return (self.target - self.start + 1) * levels + 1

    def __getitem__(self, i: int) -> Row:
        layout, log = self.contest.bundle.layout, self.contest.corpus.interactions
        items = log.items[self.events[self.start[i] : self.target[i] + 1]]
        tokens = np.concatenate([[self.contest.bundle.bos], layout.items[items].reshape(-1)])
        labels = np.full_like(tokens, IGNORE)
        labels[-layout.codes.levels :] = tokens[-layout.codes.levels :]
        return Row(tokens, labels)


class Enough(Exception):
    """The other side has seen enough."""


class Turns:
    """One way's side of the table.

    Args:
        line: to the process that holds the ways side by side.
        look: measures the model, off the clock, whenever the other side asks for it.
    """

    def __init__(self, line: Connection, look: Callable[[], Any]) -> None:
        self.line, self.look = line, look

    def begin(self) -> None:
        """Waits for the next turn."""
        while (word := self.line.recv()) == "look":
            self.line.send(self.look())
        if word == "enough":
            raise Enough
        finished()
        self.started = time.perf_counter()

    def end(self) -> None:
        """Tells what the step took and waits for the next one."""
        finished()
        self.line.send(time.perf_counter() - self.started)
        self.begin()


class TurnsCallback(TrainerCallback):
    """Lets a stock trainer hand over after each step."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.turns.end()


def ours(contest: Contest, turns: Turns) -> list[float]:
    """The losses of ``p5rec``'s own training, step by step."""
    changes = {"evaluate_every": 1, "log_every": 1, "save_every": 10**9}
    train, bundle = contest.method.train.model_copy(update=changes), contest.bundle

    def turn() -> dict[str, float]:
        turns.end()
        return {}

    with tempfile.TemporaryDirectory() as folder:
        try:
            turns.begin()
            schedule = Schedule(contest.rows, contest.task_of, train)
            fit(bundle.model, bundle.tokenizer, schedule, Path(folder), turn)
        except Enough:
            pass
        logs = map(json.loads, (Path(folder) / "metrics.jsonl").read_text().splitlines())
        return [log["loss"] for log in logs if "loss" in log]


def stock(contest: Contest, turns: Turns, checkpointing: bool) -> list[float]:
    """The losses of ``SFTTrainer`` on the same rows, in the same batches, for the same model.

    It is given the bare language model under its adapters, new token rows included. The usual way
    to new tokens, ``modules_to_save=["embed_tokens"]``, would train 49,152 old rows with them.
    """
    bundle, train = contest.bundle, contest.method.train
    bundle.model.causal.get_output_embeddings().bias = None  # the trainer asks every head for one
    rows = contest.read(train.steps)
    table = {"input_ids": [r.input_ids for r in rows], "labels": [r.labels for r in rows]}
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder, max_steps=train.steps, per_device_train_batch_size=train.batch,
            learning_rate=train.learning_rate, lr_scheduler_type="cosine",
            warmup_steps=train.warmup, weight_decay=train.weight_decay, adam_beta2=0.98,
            max_grad_norm=train.clip, bf16=train.precision == "bfloat16",
            use_cpu=not torch.cuda.is_available(),
            gradient_checkpointing=checkpointing, train_sampling_strategy="sequential",
            max_length=None, dataset_kwargs={"skip_prepare_dataset": True}, logging_steps=1,
            save_strategy="no", seed=train.seed, report_to=[], disable_tqdm=True,
            dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = SFTTrainer(
            model=bundle.model.lm, args=arguments, train_dataset=Dataset.from_dict(table),
            processing_class=bundle.tokenizer, callbacks=[TurnsCallback(turns)],
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        try:
            turns.begin()
            trainer.train()
        except Enough:
            pass
    return [log["loss"] for log in trainer.state.log_history if "loss" in log]


def peak_memory() -> int:
    """Bytes at most, of a GPU's memory if there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
