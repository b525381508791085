"""``p5rec plan``: what the trainings of a recipe will take, before anything is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from p5rec.train.estimate.plan import Plan

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def plan(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG", help="A YAML file, a shipped config's name, or a run's folder."
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="On top: methods.small.train.steps=200."),
    ] = None,
    gpu: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A100, H100, L4, T4, ...; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what each method's training will read, how much memory it needs and how long it takes.

    Data are prepared, or taken from the cache. Of a model the configuration and the tokenizer are
    read, no weights. Times are arithmetic over speed: measured here for a second, published for
    GPUs, times the share of it that training is taken to reach.
    """
    import json
    from dataclasses import asdict

    from p5rec.core.errors import UserError, did_you_mean
    from p5rec.ids.config import IdsConfig
    from p5rec.methods.registry import any_method, fitted_alone, generative
    from p5rec.methods.views import view_methods
    from p5rec.train.checks import check_methods, check_tasks
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
    check_methods(generative(named.methods), named.ids)
    view_methods(named.ids, named.methods)
    recipe, corpus, _, _ = read_prepared(config, overrides or (), **sections)
    from p5rec.train.estimate.plan import plan, plannable

    trained, fitted = generative(recipe.methods), fitted_alone(recipe)
    check_tasks(trained, (), corpus)
    alike: dict[str, list[str]] = {}
    for name, method in trained.items():
        if plannable(method):
            alike.setdefault(method.model_dump_json(exclude={"decode"}), []).append(name)
    found = {
        tuple(names): plan(names[0], trained, recipe.ids, corpus, gpus) for names in alike.values()
    }
    planned = {name: told.dump() for names, told in found.items() for name in names}
    fits = {name: method.plan(corpus) for name, method in fitted.items()}
    planned |= {name: asdict(told) for name, told in fits.items()}
    if as_json:
        print(json.dumps(planned))
        return
    for names, told in found.items():
        title = ", ".join(names) + (" (one training)" if len(names) > 1 else "")
        train = trained[names[0]].train
        print("\n".join((title, *_lines(told, bool(train.passes or train.patience)))))
    for name, told_of in fits.items():
        memory = f", {told_of.memory / 1e9:.1f} GB beside the data" * (told_of.memory >= 5e7)
        print(f"{name}: {told_of.fits} to fit{memory}")
    if left := [name for name in recipe.methods if name not in planned]:
        print(f"not planned: {', '.join(left)} (untrained, or aligned to what another model says)")
    if found:
        print(_assumed())


def _lines(plan: Plan, at_most: bool) -> list[str]:
    weights, memory, total = plan.weights, plan.memory, plan.total
    parts = {"adapters": weights.adapters, "new rows": weights.rows, "heads": weights.heads}
    lines = [
        f"  weights     {weights.total:,}; {weights.trained:,} learn "
        f"({weights.trained / weights.total:.1%}): "
        + ", ".join(f"{part} {count:,}" for part, count in parts.items() if count)
    ]
    for task, told in plan.tasks.items():
        load, epochs = told.load, told.load.rows / told.epoch_rows
        lines.append(
            f"  {task:<11} {load.rows:,.0f} rows of {told.epoch_rows:,} an epoch ({epochs:.1f} "
            f"epochs): {load.tokens:,.0f} tokens, {load.items:,.0f} items and {load.words:,.0f} "
            "words taught"
        )
        fitted = {
            "shown with a shorter history or text": load.shortened - load.cut,
            "cut": load.cut,
        }
        if any(n >= 0.5 for n in fitted.values()):
            told_of = ", ".join(f"about {n:,.0f} {how}" for how, n in fitted.items() if n >= 0.5)
            lines.append(f"  {'':<11} longer than max_tokens: {told_of}")
    steps = f"{plan.steps:,} steps" + " at most" * at_most
    lines.append(
        f"  {'all':<11} {steps}, {total.rows:,.0f} rows: {total.tokens:,.0f} tokens, "
        f"{total.positions:,.0f} positions, {plan.flops / 1e12:,.1f} TFLOP"
    )
    shares = {name: size for name, size in vars(memory).items() if size >= 1e6}
    told_by = " + ".join(f"{name} {size / 1e6:,.0f}" for name, size in shares.items())
    lines.append(f"  memory      {memory.peak / 1e9:.1f} GB: {told_by} MB")
    for place, seconds in plan.seconds.items():
        full = "" if plan.fits.get(place, True) else "; its memory is too small"
        lines.append(f"  {'time':<11} {_clock(seconds)} on {place}{full}")
    return lines


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _assumed() -> str:
    from p5rec.train.estimate.plan import CPU_UTILISATION, GPU_UTILISATION, LAUNCH

    cpu = " or ".join(f"{share:.0%} in {kind}" for kind, share in CPU_UTILISATION.items())
    return (
        f"Training is taken to reach {cpu} of a CPU's measured speed in products of matrices, and "
        f"{GPU_UTILISATION:.0%} of what a GPU's maker says, but no less than {1e3 * LAUNCH:.0f} ms "
        "a block and step there. Answers and measures come on top."
    )
