"""``p5rec plan``: estimates the trainings of a recipe before any weights are loaded."""

from __future__ import annotations

import sys
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
    """Estimate the examples, memory and time of each method's training; count texts and vectors.

    The data are prepared, or come from the cache. The command reads a model's configuration and
    tokenizer, but no weights. For a small model it runs a few training steps with random weights
    and extrapolates their time. Other times are operations over speed: the measured speed of this
    machine or the published speed of a GPU, times the assumed utilisation.
    """
    import json

    from p5rec.backbones.vectors_config import StoredVectorsConfig
    from p5rec.core.config import locating, read_tree
    from p5rec.core.cores import overload
    from p5rec.core.errors import UserError, all_of, did_you_mean
    from p5rec.core.recipes import config_path
    from p5rec.ids.config import IdsConfig
    from p5rec.methods.checks import check_data, check_methods
    from p5rec.methods.plans import PlanContext
    from p5rec.methods.registry import Baseline, any_method, methods_of, named_methods
    from p5rec.methods.views import view_methods
    from p5rec.pipeline.stored_plans import stored_plans
    from p5rec.recommend.writing.config import TextsConfig
    from p5rec.train.estimate.gpus import GPUS

    from .inputs import read_prepared, read_sections

    gpus = tuple(gpu or ())
    if unknown := [name for name in gpus if name not in GPUS]:
        raise UserError(
            *(f"--gpu: expected a known GPU, got {n!r}; {did_you_mean(n, GPUS)}"
              for n in unknown)
        )  # fmt: skip
    sections: dict[str, Any] = {
        "ids": (dict[str, IdsConfig], {"semantic": IdsConfig()}),
        "methods": (dict[str, any_method()], {}),  # type: ignore[misc]
        "baselines": (tuple[Baseline, ...], ()),
        "texts": (dict[str, TextsConfig], {}),
        "vectors": (dict[str, StoredVectorsConfig], {}),
    }
    named = read_sections(config, overrides or (), **sections)
    _, lines = read_tree(config_path(config), overrides or ())
    with locating(lines):
        all_of(
            lambda: methods_of(named),
            lambda: check_methods(named_methods(named), named.ids),
            lambda: view_methods(named.ids, named.methods),
        )
    recipe, corpus, _, _ = read_prepared(config, overrides or (), **sections)
    methods = methods_of(recipe)
    with locating(lines):
        check_data(methods, (), corpus)
    context = PlanContext(recipe.ids, methods, gpus, recipe.texts)
    same_fit: dict[str, list[str]] = {}
    for name, method in sorted(methods.items(), key=lambda each: not each[1].collective):
        points = [point.fit_settings() for point in method.points()]
        settings = json.dumps([points, method.semantic_ids, method.starts_from])
        same_fit.setdefault(settings, []).append(name)
    estimates = {
        tuple(names): estimate
        for names in same_fit.values()
        if (estimate := methods[names[0]].plan(corpus, context)) is not None
    }
    if any(methods[names[0]].collective for names in estimates) and (load := overload()):
        print(
            f"note: this machine is busy (load average {load:.1f}): the times are those of an "
            "idle machine, and a run takes longer until it is idle",
            file=sys.stderr,
        )
    stored = stored_plans(recipe.texts, recipe.vectors, corpus)
    planned = {name: estimate.dump() for names, estimate in estimates.items() for name in names}
    if as_json:
        print(json.dumps({name: each.dump() for name, each in stored.items()} | planned))
        return
    for name, each in stored.items():
        print(f"{name}: {each.lines()[0].strip()}")
    for names, estimate in estimates.items():
        lines = estimate.lines()
        title = ", ".join(names) + (" (the same training)" if len(names) > 1 else "")
        print("\n".join((title, *lines)) if len(lines) > 1 else f"{title}: {lines[0].strip()}")
    if skipped := [name for name in recipe.methods if name not in planned]:
        print(
            f"not planned: {', '.join(skipped)} (not trained, or aligned to another model's "
            "predictions)"
        )
    if any(methods[names[0]].collective for names in estimates):
        print(_assumptions())


def _assumptions() -> str:
    from p5rec.train.estimate.plan import CPU_UTILISATION, GPU_UTILISATION, LAUNCH

    cpu = " or ".join(f"{share:.0%} in {kind}" for kind, share in CPU_UTILISATION.items())
    return (
        f"Assumed utilisation: {cpu} of a CPU's measured speed of matrix products, and "
        f"{GPU_UTILISATION:.0%} of a GPU's published speed, with at least {1e3 * LAUNCH:.0f} ms "
        "per block and step on a GPU. Prediction and evaluation are not included."
    )
