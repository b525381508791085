"""``p5rec plan``: what the trainings of a recipe will take, before anything is loaded."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .options import CONFIG, changes

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def plan(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help=f"{CONFIG}.")],
    overrides: Annotated[list[str] | None, changes("methods.small.train.steps=200")] = None,
    gpu: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A100, H100, L4, T4, ...; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what each method's training will read, how much memory it needs and how long it takes.

    Data are prepared, or taken from the cache. Of a model the configuration and the tokenizer are
    read, no weights. A small model of drawn weights makes a few of its steps here, which tell the
    time. Other times are arithmetic over speed: measured here for a second, published for GPUs,
    times the share of it that training is taken to reach.
    """
    import json

    from p5rec.core.errors import UserError, did_you_mean
    from p5rec.ids.config import IdsConfig
    from p5rec.methods.checks import check_data, check_methods
    from p5rec.methods.plans import Surroundings
    from p5rec.methods.registry import any_method, methods_of
    from p5rec.methods.views import view_methods
    from p5rec.train.estimate.gpus import GPUS

    from .inputs import read_prepared, read_sections

    gpus = tuple(gpu or ())
    if strange := [name for name in gpus if name not in GPUS]:
        raise UserError(
            *(f"--gpu: expected one that is known, got {n!r}; {did_you_mean(n, GPUS)}"
              for n in strange)
        )  # fmt: skip
    sections: dict[str, Any] = {
        "ids": (dict[str, IdsConfig], {"semantic": IdsConfig()}),
        "methods": (dict[str, any_method()], {}),  # type: ignore[misc]
        "baselines": (tuple[str, ...], ()),
    }
    named = read_sections(config, overrides or (), **sections)
    check_methods(methods_of(named), named.ids)
    view_methods(named.ids, named.methods)
    recipe, corpus, _, _ = read_prepared(config, overrides or (), **sections)
    methods = methods_of(recipe)
    check_data(methods, (), corpus)
    among = Surroundings(recipe.ids, methods, gpus)
    alike: dict[str, list[str]] = {}
    for name, method in sorted(methods.items(), key=lambda each: not each[1].collective):
        points = [point.fit_settings() for point in method.points()]
        one = json.dumps([points, method.semantic_ids, method.starts_from])
        alike.setdefault(one, []).append(name)
    found = {
        tuple(names): told
        for names in alike.values()
        if (told := methods[names[0]].plan(corpus, among)) is not None
    }
    planned = {name: told.dump() for names, told in found.items() for name in names}
    if as_json:
        print(json.dumps(planned))
        return
    for names, told in found.items():
        lines = told.lines()
        title = ", ".join(names) + (" (one training)" if len(names) > 1 else "")
        print("\n".join((title, *lines)) if len(lines) > 1 else f"{title}: {lines[0].strip()}")
    if left := [name for name in recipe.methods if name not in planned]:
        print(f"not planned: {', '.join(left)} (untrained, or aligned to what another model says)")
    if any(methods[names[0]].collective for names in found):
        print(_assumed())


def _assumed() -> str:
    from p5rec.train.estimate.plan import CPU_UTILISATION, GPU_UTILISATION, LAUNCH

    cpu = " or ".join(f"{share:.0%} in {kind}" for kind, share in CPU_UTILISATION.items())
    return (
        f"Training is taken to reach {cpu} of a CPU's measured speed in products of matrices, and "
        f"{GPU_UTILISATION:.0%} of what a GPU's maker says, but no less than {1e3 * LAUNCH:.0f} ms "
        "a block and step there. Answers and measures come on top."
    )
