"""The stages that write texts about items and users, and that store vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from p5rec.backbones.sources import fingerprint
from p5rec.backbones.stored_vectors import permute_vectors, store_vectors
from p5rec.backbones.vectors_config import StoredVectorsConfig
from p5rec.core.artefacts import Artefact, digest, file_sha256, read_json
from p5rec.data.entity_texts import item_texts
from p5rec.data.files import existing
from p5rec.data.stored_texts import ABOUT
from p5rec.data.vector_store import VectorStore
from p5rec.recommend.writing.config import TextsConfig
from p5rec.recommend.writing.prompts import family_hashes
from p5rec.recommend.writing.registry import GENERATORS
from p5rec.recommend.writing.write import write_texts
from p5rec.tasks.registry import TASKS

from .lazy import Lazy
from .method_runs import RunContext
from .prepared import Prepared

NOT_IN_KEY = ("generator", "prompts")  # the key has what matters of them


def stored_context(recipe: Any, prepared: Prepared, seeds: Sequence[int] = (0,)) -> RunContext:
    """The texts and vectors of a recipe as the results of a run, computed on access.

    Args:
        recipe: has the sections ``texts`` and ``vectors``.
        prepared: the data.
        seeds: numbers that are added to the seeds of permutations.
    """
    texts = Lazy(recipe.texts, lambda name: _texts_of(recipe, name, prepared))

    def build(name: str) -> list[Artefact]:
        config = recipe.vectors[name]
        numbers = seeds if config.permuted else [0]
        return [build_vectors(name, config, texts, prepared, n) for n in numbers]

    return RunContext(vectors=Lazy(recipe.vectors, build), texts=texts)


def _texts_of(recipe: Any, name: str, prepared: Prepared) -> Artefact:
    """The texts of a section of ``recipe``, after those that it shows as notes."""
    before = recipe.texts[name].prompts.notes
    notes = None if before is None else _texts_of(recipe, before, prepared)
    return build_texts(name, recipe.texts[name], notes, prepared)


def build_texts(
    name: str, config: TextsConfig, notes: Artefact | None, prepared: Prepared
) -> Artefact:
    """The texts of a section (:class:`p5rec.data.stored_texts.StoredTexts`).

    An interrupted stage resumes.

    Args:
        name: of the section.
        config: the section.
        notes: the earlier texts that its prompts show; None: they show none.
        prepared: the data.
    """
    generator = config.generator
    tasks = [TASKS.target(config.open_family()[1].name)] if generator.prompted else []
    stage = prepared.store.stage(
        "texts",
        partial(write_texts, config, prepared.corpus, notes.path if notes else None),
        config={
            **{key: value for key, value in config.dump().items() if key not in NOT_IN_KEY},
            "generator": generator.settings(),
            "limits": config.prompts.dump()
            | {"folders": [], "factors": config.prompts.read_factors(), "notes": None},
        },
        code=(write_texts, GENERATORS.target(generator.kind), *generator.code, *tasks),
        inputs={
            "data": prepared.data,
            "family": digest(family_hashes(config)),
            **generator.reads(),
            **({} if notes is None else {"notes": notes}),
        },
        resumable=True,
        collective=True,
        what=name,
    )
    if stage.fresh and not prepared.store.rank:
        about = read_json(stage.path / ABOUT)
        prepared.store.notify(
            f"texts {name}: {about['rows'] - about['without_text']:,} of {about['rows']:,} "
            f"{config.of} have a text, {about['off_form']:,} of another form; "
            f"{about['prompt_tokens']:,} prompt tokens, {about['new_tokens']:,} new tokens, "
            f"{about['seconds']:,.0f} s"
        )
    return stage


def build_vectors(
    name: str,
    config: StoredVectorsConfig,
    texts: Mapping[str, Artefact],
    prepared: Prepared,
    nth: int = 0,
) -> Artefact:
    """The stored vectors of a section (:class:`p5rec.data.vector_store.VectorStore`).

    Args:
        name: of the section.
        config: the section.
        texts: the texts that it may name.
        prepared: the data.
        nth: the number of the seed of a permutation.
    """
    stage = encode_vectors(config, texts, prepared, name)
    if not config.permuted:
        return stage
    seed = config.seed + nth
    return prepared.store.stage(
        "vectors",
        partial(permute_vectors, stage.path, seed),
        config={"permuted": seed},
        code=(permute_vectors,),
        inputs={"vectors": stage},
        what=f"{name}, permuted",
    )


def encode_vectors(
    config: StoredVectorsConfig,
    texts: Mapping[str, Artefact],
    prepared: Prepared,
    name: str = "",
) -> Artefact:
    """The stored vectors of a section before a permutation; arguments as in
    :func:`build_vectors`."""
    inputs: dict[str, Artefact | str] = dict(fingerprint(config.encoder))
    folder = None
    if config.texts is not None:
        inputs["texts"], folder = texts[config.texts], texts[config.texts].path
    if config.file is not None:
        inputs["file"] = file_sha256(existing(config.file.path))
    hashes = {n: each.key if isinstance(each, Artefact) else each for n, each in inputs.items()}
    stage = prepared.store.stage(
        "vectors",
        partial(store_vectors, config, prepared.corpus, folder, hashes),
        config={**config.encoding(), "file": config.file and config.file.of},
        code=(store_vectors,),
        inputs={**_described(config, prepared), **inputs},
        what=name,
    )
    if stage.fresh and name and not prepared.store.rank:
        log, store = prepared.corpus.interactions, VectorStore.read(stage.path)
        totals = {"items": log.n_items, "users": log.n_users, "events": len(log)}
        of = store.about.of
        line = f"{len(store):,} of {totals[of]:,} {of} have a vector"
        prepared.store.notify(f"vectors {name}: {line}")
    return stage


def _described(config: StoredVectorsConfig, prepared: Prepared) -> dict[str, Artefact | str]:
    """What the vectors are about. Those of an item table depend on its texts alone, so they stay
    where events change and the items do not."""
    if config.metadata != "items":
        return {"data": prepared.data}
    log, catalog = prepared.corpus.interactions, prepared.corpus.catalog
    texts = item_texts(catalog, config.attributes)
    return {"items": digest(sorted(zip(log.item_keys.tolist(), texts, strict=True)))}
