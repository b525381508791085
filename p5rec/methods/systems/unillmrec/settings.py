"""The settings of UniLLMRec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from p5rec.core.errors import UserError
from p5rec.prompting.library import PromptLibrary
from p5rec.tasks.item_tree import NAME
from p5rec.train.learner import LearnerConfig

from ...base import Method
from ...named import names_in, resolve
from ...needs import Component, Need, Texts, Vectors
from ...registry import any_method

MODEL, VECTORS = "model", "vectors"  # inputs, and their folders in a saved model
NOTES = "notes.json"
READER = "a generative method"
QUERIED = frozenset({"notes", "beams", "calibration", "ranker", "vectors", "diversity"})


class UnillmrecSettings(Method):
    """A language model, and its descent of the item tree."""

    kind: Literal["unillmrec"] = "unillmrec"
    model: any_method(named=True)  # type: ignore[valid-type]
    """The language model: a section of a generative method with ``item-tree`` among its
    ``train.tasks``, or the name of one of the recipe's. ``train.steps: 0`` is zero-shot. Its
    ``prompts.tree`` shapes the tree.
    """
    template: str = f"{NAME}.choose"
    """Prompt template of the descent, of a family of the task ``item-tree``."""
    notes: str | None = None
    """Name of the recipe's texts about users, for templates with the field ``notes``. null: none.
    """
    beams: int = Field(default=4, ge=1)
    """Nodes that are kept at each level, or more where they have too few items for a list."""
    calibration: float = Field(default=0.0, ge=0, le=1)
    """Share of the log-likelihoods without a history that is subtracted from those with one."""
    ranker: Literal["model", "random"] = "model"
    """``random``: a control that descends at random through as many nodes."""
    vectors: str | None = None
    """Name of the recipe's vectors of the items, for ``diversity``. null: none."""
    diversity: float = Field(default=0.0, ge=0, le=1)
    """Weight of the similarity in the re-ranking by maximal marginal relevance. 0: no re-ranking.
    """

    content_based = True
    untuned = Method.untuned | {"model", "notes", "vectors"}

    @field_validator("model")
    @classmethod
    def _model_reads_prompts(cls, model: Any) -> Any:
        if isinstance(model, Method) and not isinstance(model, LearnerConfig):
            raise ValueError(f"expected {READER}, got a {model.kind}")
        return model

    @model_validator(mode="after")
    def _compares_items(self) -> Self:
        if self.diversity and self.vectors is None:
            raise ValueError("diversity: expected the name of the items' vectors as vectors")
        return self

    @property
    def reader(self) -> Any:
        """The language model's method, with permuted histories if this one has them."""
        update = {"permute_histories": True} if self.permute_histories else {}
        return self.model.model_copy(update=update)

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """Whether the language model or the descent draws at random."""
        return self.ranker == "random" or self.reader.stochastic

    @property
    def semantic_ids(self) -> str | None:
        """See :class:`~p5rec.methods.base.Method`: the ids that divide the tree."""
        return None if isinstance(self.model, str) else self.model.semantic_ids

    @property
    def starts_from(self) -> str | None:
        """See :class:`~p5rec.methods.base.Method`: that of the language model."""
        return None if isinstance(self.model, str) else self.model.starts_from

    @property
    def share(self) -> float:
        """See :class:`~p5rec.methods.base.Method`: that of the language model."""
        return 1.0 if isinstance(self.model, str) else self.model.share

    @property
    def trained_on(self) -> str:
        """See :class:`~p5rec.methods.base.Method`."""
        trained: str = self.model.trained_on
        return trained

    def of_all_users(self) -> Self:
        """See :class:`~p5rec.methods.base.Method`."""
        return self.model_copy(update={"model": self.model.of_all_users()})

    def first_seed(self, split_seed: int) -> int:
        """See :class:`~p5rec.methods.base.Method`: that of the language model."""
        seed: int = self.model.first_seed(split_seed)
        return seed

    def method_names(self) -> Iterator[str]:
        """See :class:`~p5rec.methods.base.Method`."""
        return names_in(self.model)

    def resolve_names(self, methods: Mapping[str, Method], *, exclude_seen: bool) -> Self:
        """See :class:`~p5rec.methods.base.Method`."""
        readers = {n: each for n, each in methods.items() if isinstance(each, LearnerConfig)}
        model = resolve(
            self.model, "model", f"{READER} of the recipe", readers, exclude_seen=exclude_seen
        )
        return self.model_copy(update={"model": model})

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`~p5rec.methods.base.Method`: the language model."""
        return {MODEL: Component(MODEL, self.reader)}

    def query_needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`~p5rec.methods.base.Method`: the language model, texts and vectors."""
        notes = {} if self.notes is None else {"notes": Texts(self.notes)}
        vectors = {} if self.vectors is None else {"vectors": Vectors(self.vectors)}
        return {**self.needs(seed), **notes, **vectors}

    def fit_settings(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`."""
        own = {n: value for n, value in super().fit_settings().items() if n not in QUERIED}
        return {**own, MODEL: self.reader.fit_settings()}

    @property
    def needs_validation(self) -> bool:
        """See :class:`~p5rec.methods.base.Method`: also for the language model."""
        return super().needs_validation or self.model.needs_validation

    def as_chosen(self, model: Any) -> Self:
        """See :class:`~p5rec.methods.base.Method`."""
        chosen = self.model.as_chosen(model / MODEL)
        return super().as_chosen(model).model_copy(update={"model": chosen})

    def continue_from(self, model: Any, share: float) -> Self:
        """See :class:`~p5rec.methods.base.Method`: continues the language model."""
        return self.model_copy(update={"model": self.model.continue_from(model / MODEL, share)})

    def fit_facts(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`: those of the language model."""
        facts: dict[str, Any] = self.model.fit_facts()
        return facts

    def check(self, ids: Mapping[str, Any]) -> Iterator[str]:
        """See :class:`~p5rec.methods.base.Method`."""
        yield from (f"model.{line}" for line in self.model.check(ids))
        library = PromptLibrary.load(extra=self.model.prompts.folders)
        try:
            template = library.get(self.template)
        except UserError as error:
            yield from (f"template: {line}" for line in error.lines)
            return
        if template.task != NAME or template.family not in self.model.tasks:
            yield (
                f"template: expected one of the task {NAME} whose family is in model.train.tasks, "
                f"got {self.template}; name another, or add {template.family}"
            )
        if "notes" in template.source_fields and self.notes is None:
            yield (
                f"notes: expected the name of texts about users, which {self.template} shows, got "
                "none; name some, or another template"
            )

    def describe(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`: the full config."""
        return {"method": self.dump()}
