"""The trainers that ``bench_train`` compares: stock ``SFTTrainer`` and p5rec.

Each trainer runs in a separate process. After every step it reports the time of the step and waits
for its next turn, so all trainers share the same conditions of the machine.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from decoders import synchronise
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
from p5rec.models.bundle import Bundle, build
from p5rec.pipeline.ids import build_ids
from p5rec.pipeline.prepared import Prepared
from p5rec.train.examples.example import IGNORE, TrainingExample, TrainingExamples
from p5rec.train.learner import settings_of, training_prompts
from p5rec.train.schedule import Schedule
from p5rec.train.sft import fit
from p5rec.train.training_data import build_training_data

MOVIELENS = DataConfig(source="recbole", path="ml-100k")
IDS = {"levels": 2, "codebook": 64, "vectors": {"text": None, "cooccurrence": {}}}


class Materialised(list[TrainingExample]):
    """Training examples built before the training."""

    @cached_property
    def lengths(self) -> np.ndarray:
        """``(R,)`` the number of tokens of each example."""
        return np.array([len(row.labels) for row in self])


@dataclass(frozen=True, eq=False)
class Setup:
    """A model and its training data.

    Attributes:
        method: backbone and training.
        corpus: the data.
        bundle: the untrained model, the same in every process.
        rows: the training examples of each task.
        task_of: ``(S,)`` the task of each slot.
    """

    method: Generative
    corpus: Corpus
    bundle: Bundle
    rows: Mapping[str, TrainingExamples]
    task_of: np.ndarray

    def read(self, steps: int) -> list[TrainingExample]:
        """The examples of the first ``steps`` steps, in the order of p5rec."""
        schedule = Schedule(self.rows, self.task_of, self.method.train)
        tables, read = list(self.rows.values()), schedule.order[: steps * self.method.train.slots]
        filled = zip(*schedule.collator(0, None).examples_of(read), strict=True)
        return [tables[task][int(n)] for task, n in filled]


def setup_of(method: Generative, source: DataConfig = MOVIELENS, *, rated: bool = False) -> Setup:
    """``method`` on the data of ``source`` with semantic ids from co-occurrence.

    Unless ``rated``, it has no rating heads, because SFTTrainer cannot train them.
    """
    store = Store(cache_home() / "store", notify=lambda _: None)
    data = prepare_data(source, store)
    corpus = load_corpus(data.path)
    (ids,) = build_ids(IdsConfig.model_validate(IDS), {}, Prepared(corpus, data, store))
    codes = load_codes(ids.path, corpus.catalog.ids)
    library = training_prompts(method)
    settings = settings_of(method, corpus)
    settings = settings if rated else settings.model_copy(update={"scale": ()})
    bundle = build(settings, codes, corpus.catalog.ids, library.subset_dump())
    return Setup(method, corpus, bundle, *build_training_data(method, corpus, bundle, library))


def materialised(setup: Setup) -> Setup:
    """``setup`` with its examples built in advance."""
    rows = {
        name: Materialised(table[i] for i in range(len(table)))
        for name, table in setup.rows.items()
    }
    return Setup(setup.method, setup.corpus, setup.bundle, rows, setup.task_of)


class OneTarget:
    """Examples of item codes with the next item as the only target; each training event once.

    Args:
        setup: the model and its data.
        n: the number of examples.
    """

    def __init__(self, setup: Setup, n: int) -> None:
        log, self.setup = setup.corpus.interactions, setup
        self.events = np.flatnonzero(setup.corpus.split.mask("train"))
        users = log.users[self.events]
        self.first = np.searchsorted(users, users)  # the first event of the same user
        later = np.flatnonzero(self.first < np.arange(len(users)))
        self.target = np.resize(derive_rng(0, "one target").permutation(later), n)
        self.start = np.maximum(
            self.first[self.target], self.target - setup.method.train.next_item.window + 1
        )

    def __len__(self) -> int:
        return len(self.target)

    @property
    def lengths(self) -> np.ndarray:
        """``(R,)`` the number of tokens of each example."""
        levels = self.setup.bundle.layout.codes.levels
        return (self.target - self.start + 1) * levels + 1

    def __getitem__(self, i: int) -> TrainingExample:
        layout, log = self.setup.bundle.layout, self.setup.corpus.interactions
        items = log.items[self.events[self.start[i] : self.target[i] + 1]]
        tokens = np.concatenate([[self.setup.bundle.bos], layout.items[items].reshape(-1)])
        labels = np.full_like(tokens, IGNORE)
        labels[-layout.codes.levels :] = tokens[-layout.codes.levels :]
        return TrainingExample(tokens, labels)


class Enough(Exception):
    """The controlling process ends the training."""


class Turns:
    """The connection of a trainer to the controlling process.

    Args:
        line: the connection.
        check: measures the model, off the clock, on request.
    """

    def __init__(self, line: Connection, check: Callable[[], Any]) -> None:
        self.line, self.check = line, check

    def begin(self) -> None:
        """Waits for the next turn."""
        while (word := self.line.recv()) == "check":
            self.line.send(self.check())
        if word == "enough":
            raise Enough
        synchronise()
        self.started = time.perf_counter()

    def end(self) -> None:
        """Reports the time of the step and waits for the next turn."""
        synchronise()
        self.line.send(time.perf_counter() - self.started)
        self.begin()


class TurnsCallback(TrainerCallback):
    """Ends the turn of an SFTTrainer after each step."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.turns.end()


def ours(setup: Setup, turns: Turns) -> list[float]:
    """The losses of p5rec's training, step by step."""
    changes = {"evaluate_every": 1, "log_every": 1, "save_every": 10**9}
    train, bundle = setup.method.train.model_copy(update=changes), setup.bundle

    def turn() -> dict[str, float]:
        turns.end()
        return {}

    with tempfile.TemporaryDirectory() as folder:
        try:
            turns.begin()
            schedule = Schedule(setup.rows, setup.task_of, train)
            fit(bundle.model, bundle.tokenizer, schedule, Path(folder), turn)
        except Enough:
            pass
        logs = map(json.loads, (Path(folder) / "metrics.jsonl").read_text().splitlines())
        return [log["loss"] for log in logs if "loss" in log]


def stock(setup: Setup, turns: Turns, checkpointing: bool) -> list[float]:
    """The losses of ``SFTTrainer`` on the same examples, in the same batches, for the same model.

    It gets the language model with its adapters and new token embeddings. The usual setting for new
    tokens, ``modules_to_save=["embed_tokens"]``, would also train 49,152 old embeddings.
    """
    bundle, train = setup.bundle, setup.method.train
    bundle.model.causal.get_output_embeddings().bias = (
        None  # the trainer reads the bias of every head
    )
    rows = setup.read(train.steps)
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
    """Peak memory in bytes: of the GPU if there is one, otherwise of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def send_errors(target: Callable[..., None], line: Connection, *arguments: Any) -> None:
    """Runs ``target(line, *arguments)``; sends the error through ``line`` if it fails."""
    try:
        target(line, *arguments)
    except Exception as error:
        line.send(RuntimeError(f"{type(error).__name__}: {error}"))
        raise


class Table:
    """Runs the trainers in turns: the next step goes to the one with the least training time.

    Args:
        target: the function of a process: ``target(line, way, *arguments)``.
        arguments: the arguments of each trainer.
        start: the start method of processes; ``fork`` is fast but does not work with a GPU.
    """

    def __init__(
        self,
        target: Callable[..., None],
        arguments: dict[str, tuple[Any, ...]],
        start: str = "spawn",
    ) -> None:
        context: Any = get_context(start)
        self.lines: dict[str, Connection] = {}
        for way, own in arguments.items():
            self.lines[way], theirs = context.Pipe()
            process = context.Process(target=send_errors, args=(target, theirs, way, *own))
            process.daemon = True
            process.start()
            self.receive(way)
        self.seconds: dict[str, list[float]] = {way: [] for way in arguments}
        self.checks: dict[str, list[tuple[float, int, float]]] = {way: [] for way in arguments}

    def send(self, way: str, word: str) -> None:
        """Sends a word to a trainer; if it has ended, :meth:`receive` raises the reason."""
        with suppress(BrokenPipeError):
            self.lines[way].send(word)

    def receive(self, way: str) -> Any:
        """The next message of a trainer; raises the error that ended it."""
        message = self.lines[way].recv()
        if isinstance(message, Exception):
            raise message
        return message

    def step(self, way: str) -> float:
        """Runs one step; returns the trainer's total time."""
        self.send(way, "go")
        self.seconds[way].append(self.receive(way))
        return sum(self.seconds[way])

    def check(self, way: str) -> None:
        """Measures the trainer's model, off the clock."""
        self.send(way, "check")
        clock, steps = sum(self.seconds[way]), len(self.seconds[way])
        self.checks[way].append((clock, steps, self.receive(way)))

    def close(self, way: str, word: str = "enough") -> dict[str, Any]:
        """Ends the trainer; returns its results."""
        self.send(way, word)
        results: dict[str, Any] = self.receive(way)
        return {"way": way, "seconds": self.seconds[way], "checks": self.checks[way], **results}
