"""``p5rec ids``: build semantic ids and look at them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from p5rec.core.errors import UserError, fault

app = typer.Typer(
    help="Build and inspect semantic ids.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

QUALITY = "quality.json"


@app.command()
def build(
    config: Annotated[Path, typer.Option(help="A recipe; its data and ids sections are read.")],
    out: Annotated[Path, typer.Option(help="Folder for the codes and their figures.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE", help="On top of the config: ids.semantic.codebook=128."
        ),
    ] = None,
    name: Annotated[
        str, typer.Option(help="Which of the recipe's ids; not needed where there is one.")
    ] = "",
) -> None:
    """Fit codes for every item of a recipe's data."""
    from p5rec.core.artefacts import lay_out, write_json
    from p5rec.core.config import bind, compose, read_tree
    from p5rec.data.build import build as build_corpus
    from p5rec.data.config import DataConfig
    from p5rec.ids.base import fit, save_codes
    from p5rec.ids.config import IdsConfig
    from p5rec.ids.quality import quality, samples
    from p5rec.ids.vectors import item_texts

    tree, lines = read_tree(config, overrides or [])
    sections: dict[str, Any] = {name: tree[name] for name in ("data", "ids") if name in tree}
    named = (dict[str, IdsConfig], {"semantic": IdsConfig()})
    recipe: Any = bind(compose("IdsBuild", data=DataConfig, ids=named), sections, lines, config)
    chosen = recipe.ids[_chosen(recipe.ids, name)]
    corpus, _ = build_corpus(recipe.data)
    events, split, text = corpus.interactions, corpus.split, None
    if chosen.vectors.text:
        from p5rec.backbones.encoder import encode

        text = encode(item_texts(corpus.catalog), chosen.vectors.text)
    fitted = fit(chosen, events, split, text)
    report = quality(fitted.codes, events, split, chosen.seed)
    report["samples"] = samples(fitted.codes, corpus.catalog.titles, events, split)
    with TemporaryDirectory() as made:
        save_codes(fitted.codes, Path(made), corpus.catalog.ids, fitted.collisions)
        write_json(Path(made) / QUALITY, report)
        lay_out({path.name: path for path in Path(made).iterdir()}, out)
    inspect(out, 0)


def _chosen(known: Collection[str], name: str) -> str:
    if name in known:
        return name
    if not name and len(known) == 1:
        return next(iter(known))
    got = repr(name) if name else "none"
    raise UserError(
        f"--name: expected one of the recipe's ids, got {got}; give one of " + ", ".join(known)
    )


@app.command()
def inspect(
    folder: Annotated[Path, typer.Argument(help="A folder written by `p5rec ids build`.")],
    codes: Annotated[int, typer.Option(min=0, help="First-level codes to show items of.")] = 8,
) -> None:
    """Print how well codes are used and what they group."""
    from p5rec.core.artefacts import read_json
    from p5rec.ids.base import load_codes, read_manifest

    loaded, manifest = load_codes(folder), read_manifest(folder)
    report = read_json(folder / QUALITY)
    print(f"{folder}: {loaded.scheme}, {len(loaded)} items, {loaded.levels} levels")
    try:
        _print_report(report, manifest.collisions, codes)
    except (KeyError, TypeError) as error:
        todo = "build the codes again (p5rec ids build)"
        raise fault(folder / QUALITY, "the figures of the codes", repr(error), todo) from None


def _print_report(report: dict[str, Any], collisions: dict[str, Any] | None, shown: int) -> None:
    print("level  codes   used  entropy of max   prefixes  of items")
    for row in report["levels"]:
        print(
            f"{row['level']:>5}{row['size']:>7}{row['used']:>7}{row['entropy']:>9.2f}"
            f"{row['entropy_share']:>7.1%}{row['prefixes']:>11}{row['prefix_share']:>10.1%}"
        )
    if collisions:
        print(
            f"collisions ({collisions['policy']}): {collisions['before']} items shared codes, "
            f"{collisions['after']} do now; {collisions['moved']} moved; squared error "
            f"{collisions['error_before']:.4f} -> {collisions['error_after']:.4f}"
        )
    if report["neighbour_purity"] is not None:
        print(
            f"neighbours with the same first code: {report['neighbour_purity']:.1%} "
            f"(codes dealt out at random: {report['neighbour_purity_permuted']:.1%})"
        )
    for row in report["samples"][:shown]:
        print(f"<a_{row['code']}>  {row['items']} items: {'; '.join(row['names'])}")
