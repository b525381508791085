"""``p5rec texts``: writes the texts and the vectors of a recipe as files with external ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from p5rec.core.errors import input_error

from .options import CONFIG, changes
from .outputs import check_file

if TYPE_CHECKING:
    import polars as pl

    from p5rec.core.types import Corpus
    from p5rec.pipeline.prepared import Prepared

app = typer.Typer(
    help="Write texts about items and users, and store their vectors.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Config = Annotated[str, typer.Option(help=f"{CONFIG}; its data, texts and vectors are used.")]
Overrides = Annotated[list[str] | None, changes("texts.NAME.sample=50")]
Name = Annotated[str, typer.Option(help="Name of the section; optional if there is only one.")]


@app.command()
def write(
    config: Config,
    out: Annotated[Path, typer.Option(help="A .jsonl, .parquet or .csv file.")],
    overrides: Overrides = None,
    name: Name = "",
) -> None:
    """Write the texts of a section `texts`: id, text, tokens and seconds.

    Texts of another form than the family's answers, and missing texts, are empty. The file can
    serve as a generator of kind `file`. An interrupted run resumes.
    """
    check_file(out, (".jsonl", ".parquet", ".csv"))
    name, recipe, prepared = _read(config, overrides, "texts", name)
    import polars as pl

    from p5rec.data.stored_texts import StoredTexts
    from p5rec.pipeline.vectors import stored_context

    stored = StoredTexts.read(stored_context(recipe, prepared).texts[name].path)
    text = pl.when(~pl.col("off_form")).then("text").alias("text")
    table = stored.table.with_columns(text).drop("off_form")
    _save(_with_ids(table, prepared.corpus, stored.of), out)


@app.command()
def encode(
    config: Config,
    out: Annotated[Path, typer.Option(help="A .parquet file.")],
    overrides: Overrides = None,
    name: Name = "",
) -> None:
    """Write the vectors of a section `vectors`: id and vector.

    The file can serve as `file` of another section of vectors, or of semantic ids.
    """
    check_file(out, (".parquet",))
    name, recipe, prepared = _read(config, overrides, "vectors", name)
    import polars as pl

    from p5rec.data.vector_store import VectorStore
    from p5rec.pipeline.vectors import stored_context

    if recipe.vectors[name].reviews == "events":
        todo = "methods read vectors of events from the cache"
        raise input_error(f"vectors.{name}", "vectors of items or users", "of events", todo)
    store = VectorStore.read(stored_context(recipe, prepared).vectors[name][0].path)
    table = pl.DataFrame({"key": store.keys, "vector": store.vectors})
    _save(_with_ids(table, prepared.corpus, store.about.of), out)


@app.command()
def factors(
    config: Config,
    scenario: Annotated[str, typer.Option(help="What is recommended: 'a movie'.")],
    out: Annotated[Path, typer.Option(help="A new .yaml file.")],
    overrides: Overrides = None,
    name: Name = "",
) -> None:
    """Ask the model of a section `texts` for the factors of a scenario, and write them to a file.

    Edit the file, and name it as `texts.NAME.prompts.factors`. An existing file stays as it is.
    """
    check_file(out, (".yaml", ".yml"))
    if out.exists():
        todo = "edit it, or name a new one"
        raise input_error(out, "a new file", "a file with factors", todo)
    from p5rec.core.config import dump_yaml
    from p5rec.methods.stored_sections import STORED

    from .inputs import chosen_section, read_sections

    texts = read_sections(config, overrides or [], **STORED).texts
    chosen = texts[chosen_section(texts, name, "texts")]
    from p5rec.core.artefacts import writing
    from p5rec.core.atomic import atomic_write
    from p5rec.recommend.writing.config import FactorsFile
    from p5rec.recommend.writing.factors import ask_factors

    found = ask_factors(chosen.generator, chosen.of, scenario)
    with writing(out), atomic_write(out) as handle:
        handle.write(dump_yaml(FactorsFile(factors=found)))
    print(f"{len(found)} factors in {out}: {', '.join(found)}")


def _read(
    config: str, overrides: Sequence[str] | None, section: str, name: str
) -> tuple[str, Any, Prepared]:
    """The name of the chosen section, the recipe, and its prepared data."""
    from p5rec.methods.stored_sections import STORED, check_stored
    from p5rec.recommend.writing.config import with_notes

    from .inputs import chosen_section, read_prepared, read_sections

    recipe = read_sections(config, overrides or [], **STORED)
    name = chosen_section(getattr(recipe, section), name, section)
    vectors = {name: recipe.vectors[name]} if section == "vectors" else {}
    named = {config.texts for config in vectors.values()} | ({name} - {*vectors})
    needed = {each for n in named & {*recipe.texts} for each in with_notes(n, recipe.texts)}
    texts = {each: recipe.texts[each] for each in needed}
    check_stored(recipe.model_copy(update={"texts": texts, "vectors": vectors}), {})
    _, corpus, data, store = read_prepared(config, overrides or [], evaluable=False)
    from p5rec.core.artefacts import Store
    from p5rec.pipeline.prepared import Prepared

    return name, recipe, Prepared(corpus, data, Store(store.root))


def _with_ids(table: pl.DataFrame, corpus: Corpus, of: str) -> pl.DataFrame:
    """``table`` with a first column of external ids instead of ``key``, in the order of the
    corpus."""
    import polars as pl

    log, users = corpus.interactions, of == "users"
    ids, keys = (corpus.user_ids, log.user_keys) if users else (corpus.catalog.ids, log.item_keys)
    rows = np.argsort(keys)[np.searchsorted(np.sort(keys), table["key"].to_numpy())]
    column = pl.Series("user" if users else "item", [ids[row] for row in rows.tolist()])
    return table.drop("key").insert_column(0, column)[np.argsort(rows)]


def _save(table: pl.DataFrame, out: Path) -> None:
    from p5rec.core.artefacts import writing
    from p5rec.core.atomic import atomic_write

    with writing(out), atomic_write(out, "wb") as handle:
        match out.suffix:
            case ".parquet":
                table.write_parquet(handle)
            case ".csv":
                table.write_csv(handle)
            case _:
                table.write_ndjson(handle)
    print(f"{len(table):,} rows in {out}")
