"""``p5rec ids``: builds, inspects, compares, extends and exchanges semantic ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p5rec.core.errors import UserError, input_error
from p5rec.core.terminal import printable

from .options import ALLOW_DOWNLOAD, CONFIG, changes

if TYPE_CHECKING:
    from p5rec.core.artefacts import Artefact, Store
    from p5rec.core.item_codes import ItemCodes
    from p5rec.core.types import Corpus
    from p5rec.ids.collisions import Collisions

app = typer.Typer(
    help="Build, inspect, compare, extend and exchange semantic ids.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Config = Annotated[str, typer.Option(help=f"{CONFIG}, for its data.")]
Out = Annotated[Path, typer.Option(help="Folder for the codes, their metrics and pictures.")]
Overrides = Annotated[list[str] | None, changes("ids.semantic.codebook=128")]
Folder = Annotated[Path, typer.Argument(help="A folder written by `p5rec ids build`.")]


@app.command()
def build(
    config: Annotated[
        str,
        typer.Argument(metavar="CONFIG", help=f"{CONFIG}; its data and ids sections are used."),
    ],
    out: Out,
    overrides: Overrides = None,
    name: Annotated[
        str, typer.Option(help="Name of the recipe's ids; optional if there is only one.")
    ] = "",
) -> None:
    """Fit codes for every item of a recipe's data."""
    recipe, corpus, data, store = _read(config, overrides, out)
    from p5rec.methods.views import view_methods

    from .inputs import chosen_section

    name = chosen_section(recipe.ids, name, "ids")
    views = view_methods({name: recipe.ids[name]}, recipe.methods)
    from p5rec.pipeline.ids import build_ids
    from p5rec.pipeline.prepared import Prepared

    (artefact,) = build_ids(recipe.ids[name], views[name], Prepared(corpus, data, store))
    _publish(artefact.path, corpus, out)
    inspect(out, 0)


@app.command()
def inspect(
    folder: Folder,
    codes: Annotated[
        int, typer.Option(min=0, help="Number of first-level codes to print items of.")
    ] = 8,
) -> None:
    """Print codebook use, neighbour purity and information about the next item."""
    from p5rec.ids.codebook_metrics import FILE
    from p5rec.ids.files import REBUILD, load_codes, read_manifest

    loaded, manifest = load_codes(folder), read_manifest(folder)
    report = _metrics(folder)
    print(f"{folder}: {loaded.scheme}, {len(loaded)} items, {loaded.levels} levels")
    try:
        _print_report(report, manifest.collisions, codes)
    except (KeyError, TypeError) as error:
        raise input_error(folder / FILE, "the metrics of the codes", repr(error), REBUILD) from None


@app.command()
def compare(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders written by `p5rec ids build` or import.")
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(help=f"{CONFIG}, for all its ids, from the cache or built now."),
    ] = None,
) -> None:
    """Print the metrics of several sets of codes, most informative first."""
    from p5rec.ids.files import load_codes, read_manifest

    rows = [
        (str(folder), load_codes(folder), read_manifest(folder).collisions, _metrics(folder))
        for folder in folders or []
    ]
    if config is not None:
        recipe, corpus, data, store = _read(config, [])
        from p5rec.methods.views import view_methods

        views = view_methods(recipe.ids, recipe.methods)
        from p5rec.pipeline.ids import build_ids
        from p5rec.pipeline.prepared import Prepared

        for name, ids in recipe.ids.items():
            (artefact,) = build_ids(ids, views[name], Prepared(corpus, data, store))
            collisions = read_manifest(artefact.path).collisions
            rows.append((name, load_codes(artefact.path), collisions, _metrics(artefact.path)))
    if not rows:
        raise UserError("expected folders of codes or --config, got neither; name one of them")
    _print_comparison(rows)


@app.command()
def extend(
    folder: Folder,
    config: Annotated[
        str, typer.Option(help=f"{CONFIG}, whose data have the old items and the new ones.")
    ],
    out: Out,
    overrides: Overrides = None,
    allow_download: Annotated[bool, ALLOW_DOWNLOAD] = False,
) -> None:
    """Assign codes to new items; existing codes do not change.

    A model trained with the old codes then ranks the new items: p5rec recommend --ids FOLDER.
    """
    from .inputs import check_model

    check_model(None, folder)
    recipe, corpus, _, _ = _read(config, overrides, out)
    from p5rec.train.extension import extended

    codes, added = extended(folder, corpus, download=allow_download)
    if not added:
        todo = "point --config at the new data; with catalog: table, items without events count too"
        raise input_error(folder, "a table with new items", "none", todo)
    _save(codes, corpus, recipe.seed, out, encoder=folder)
    print(f"{added} new items, {len(codes) - added} items with unchanged codes")


@app.command(name="export")
def export_(
    folder: Folder,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="A .json (item to its codes) or .parquet file.")
    ],
) -> None:
    """Write codes to a JSON or Parquet file."""
    from p5rec.ids.exchange import export_codes
    from p5rec.ids.files import load_codes, load_item_ids

    from .outputs import check_file

    check_file(out, (".json", ".parquet"))
    codes = load_codes(folder)
    export_codes(codes, load_item_ids(folder), out)
    print(f"{len(codes)} items: {out}")


@app.command(name="import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="A .json, .parquet, .jsonl(.gz) or .csv file of codes by item.")
    ],
    config: Config,
    out: Out,
    overrides: Overrides = None,
    column: Annotated[str, typer.Option(help="The column of the codes.")] = "codes",
    item: Annotated[str, typer.Option(help="The column of the item ids.")] = "item",
) -> None:
    """Import codes from elsewhere for the items of a recipe's data."""
    from p5rec.data.files import existing

    existing(file)
    recipe, corpus, _, _ = _read(config, overrides, out)
    from p5rec.ids.exchange import import_codes

    imported = import_codes(file, corpus.catalog.ids, column=column, item=item)
    _save(imported.codes, corpus, recipe.seed, out, collisions=imported.collisions)
    print(f"{file} has {imported.kind}; {imported.ignored} of its items are not in the data")


def _read(
    config: str, overrides: Sequence[str] | None, out: Path | None = None
) -> tuple[Any, Corpus, Artefact, Store]:
    """A recipe's ``data``, ``ids``, ``methods`` and ``seed``, its prepared data, and the store."""
    from p5rec.evaluate.config import EvaluateConfig
    from p5rec.ids.config import IdsConfig

    from .inputs import read_prepared
    from .outputs import check_folder

    if out is not None:
        check_folder(out)
    recipe, corpus, data, store = read_prepared(
        config,
        overrides or [],
        ids=(dict[str, IdsConfig], {"semantic": IdsConfig()}),
        methods=(dict[str, Any], {}),  # for ids built from a method's vectors
        evaluate=(EvaluateConfig, EvaluateConfig()),
    )
    return recipe, corpus.with_validation(exclude_seen=recipe.evaluate.exclude_seen), data, store


def _save(
    codes: ItemCodes,
    corpus: Corpus,
    seed: int,
    out: Path,
    *,
    collisions: Collisions | None = None,
    encoder: Path | None = None,
) -> None:
    """Writes codes without a stage, with their metrics and pictures, to ``out`` and prints them."""
    from p5rec.core.artefacts import write_json
    from p5rec.ids.codebook_metrics import FILE, report
    from p5rec.ids.files import save_codes

    with TemporaryDirectory() as work:
        save_codes(codes, Path(work), corpus.catalog.ids, collisions)
        write_json(Path(work) / FILE, report(codes, corpus, seed))
        _publish(Path(work), corpus, out, encoder)
    inspect(out, 0)


def _publish(folder: Path, corpus: Corpus, out: Path, encoder: Path | None = None) -> None:
    """Publishes the codes in ``folder`` to ``out``, with metrics, encoder files and pictures."""
    from p5rec.core.publishing import publish_outputs
    from p5rec.ids import files, sunburst, sunburst_page
    from p5rec.ids.codebook_metrics import FILE
    from p5rec.report.plots import code_usage

    codes = files.load_codes(folder)
    sources = {name: folder / name for name in (files.MANIFEST, files.TENSORS, files.ITEMS, FILE)}
    for name in files.ENCODER_FILES:
        if ((encoder or folder) / name).is_file():
            sources[name] = (encoder or folder) / name
    with TemporaryDirectory() as work:
        pictures = Path(work)
        code_usage({codes.scheme: codes}, pictures / "usage.png")
        sunburst.write_png(codes, corpus.catalog, pictures / "tree.png")
        sunburst_page.write_html(codes, corpus.catalog, pictures / "tree.html")
        publish_outputs(sources | {path.name: path for path in pictures.iterdir()}, out)


def _metrics(folder: Path) -> dict[str, Any]:
    from p5rec.core.artefacts import read_json
    from p5rec.ids.codebook_metrics import FILE
    from p5rec.ids.files import REBUILD

    metrics = read_json(folder / FILE)
    if not isinstance(metrics, dict):
        raise input_error(
            folder / FILE, "the metrics of the codes", type(metrics).__name__, REBUILD
        )
    return metrics


def _print_report(report: dict[str, Any], collisions: dict[str, Any] | None, limit: int) -> None:
    print("level  codes   used  entropy of max   prefixes  of items")
    for row in report["levels"]:
        print(
            f"{row['level']:>5}{row['size']:>7}{row['used']:>7}{row['entropy']:>9.2f}"
            f"{row['entropy_share']:>7.1%}{row['prefixes']:>11}{row['prefix_share']:>10.1%}"
        )
    print(f"bits per item: capacity {report['bits']:.1f}, needed {report['bits_needed']:.1f}")
    if collisions and collisions["before"]:
        error = (
            f"; squared error {collisions['error_before']:.4f} -> {collisions['error_after']:.4f}"
            if collisions["error_before"] is not None
            else ""
        )
        print(
            f"collisions ({collisions['policy']}): {collisions['before']} items shared codes, "
            f"{collisions['after']} still do; {collisions['moved']} changed codes{error}"
        )
    if report["neighbour_purity"] is not None:
        print(
            f"neighbour purity (same first code): {report['neighbour_purity']:.1%} "
            f"(permuted codes: {report['neighbour_purity_permuted']:.1%})"
        )
    if report["next_item_bits"] is not None:
        print(
            "information of the last item's codes about the next item: "
            f"{report['next_item_bits']:.2f} of {report['popularity_bits']:.2f} bits "
            f"(permuted codes: {report['next_item_bits_permuted']:.2f})"
        )
    for row in report["samples"][:limit]:
        print(f"<a_{row['code']}>  {row['items']} items: {'; '.join(map(printable, row['names']))}")


def _print_comparison(
    rows: Sequence[tuple[str, ItemCodes, dict[str, Any] | None, dict[str, Any]]],
) -> None:
    width = max(len(name) for name, *_ in rows)
    print(f"{'ids':<{width}}  {'scheme':<20} {'codes per level':<18} {'used':>6} {'shared':>7} "
          f"{'error':>7} {'purity':>7} {'next item':>10}")  # fmt: skip
    for name, codes, collisions, report in sorted(
        rows, key=lambda row: -(row[3]["next_item_bits"] or 0)
    ):
        counts = collisions or {}
        used = min(level["utilisation"] for level in report["levels"])
        error = counts.get("error_after")
        purity, bits = report["neighbour_purity"], report["next_item_bits"]
        cells = (
            f"{codes.scheme:<20}",
            f"{'x'.join(map(str, codes.sizes)):<18}",
            f"{used:>6.0%}",
            f"{counts.get('before', 0):>7}",
            f"{'-' if error is None else f'{error:.3f}':>7}",
            f"{'-' if purity is None else f'{purity:.1%}':>7}",
            f"{'-' if bits is None else f'{bits:.3f}':>10}",
        )
        print(f"{name:<{width}}  " + " ".join(cells))
    print("used: share of used codes, of the least used level. shared: items with equal codes "
          "before collisions\nwere resolved. purity: share of neighbours with the same first code. "
          "next item: bits of information in\nthe last item's codes.")  # fmt: skip
