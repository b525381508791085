"""``p5rec forget``: forgets people or events exactly, with a receipt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p5rec.core.errors import UserError

if TYPE_CHECKING:
    from p5rec.data.config import DataConfig
    from p5rec.forget.plan import Plan
    from p5rec.forget.verify import Check
    from p5rec.forget.wanted import Wanted

app = typer.Typer(add_completion=False, rich_markup_mode=None)
FAILED = 1  # exit code of a receipt that is not verified

Jobs = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Stages computed in parallel; see p5rec run.")
]


@app.callback(invoke_without_command=True)
def forget(
    context: typer.Context,
    run: Annotated[
        list[Path] | None, typer.Option(help="Folder of a run to compute again. Repeatable.")
    ] = None,
    user: Annotated[
        list[str] | None,
        typer.Option(help="External id of a person to forget. Repeatable. `-`: read from stdin."),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option(help="A table with the columns user, item, time (or user, item; or user)."),
    ] = None,
    basis: Annotated[str, typer.Option(help="The reason, for the receipt.")] = "",
    jobs: Jobs = None,
    *,
    partly: Annotated[
        bool, typer.Option("--partly", help="Leave out ids and lines that no log has.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Carry it out; without this option, print the plan.")
    ] = False,
) -> None:
    """Forget people or events: print the plan, or carry it out.

    Every stage that saw the events is computed again from a log without them, and the old ones are
    deleted, those of other runs too. From then on every command leaves the events out of the log,
    whatever its files say. New events of the same people are read. The receipt names what was
    deleted, computed again or left, with hashes and a signature.
    """
    if context.invoked_subcommand is not None:
        return
    wanted, folders = _wanted(user or [], events), run or []
    if not folders:
        raise UserError("expected --run with the folder of a run, got none; name one")
    # manifests record the command of each stage: it must not name whom it forgets
    sys.argv[1:] = ["forget", *(word for folder in folders for word in ("--run", str(folder)))]
    plan = _plan(wanted, folders, basis, partly=partly)
    _show(plan)
    if not yes:
        print("nothing was changed; add --yes to carry it out")
        return
    plan.made.write()
    _carry_out(jobs)


@app.command()
def resume(jobs: Jobs = None) -> None:
    """Carry out the requests that an interrupted command left pending."""
    if not _carry_out(jobs):
        print("no request is pending")


@app.command()
def verify(
    receipt: Annotated[Path, typer.Argument(help="A receipt that p5rec forget wrote.")],
    public_key: Annotated[
        str | None,
        typer.Option(help="The key that must have signed it, hexadecimal. Default: this cache's."),
    ] = None,
    *,
    rederive: Annotated[
        bool,
        typer.Option(
            "--rederive",
            help="Also compute the runs again, in a new process with an empty cache, and compare.",
        ),
    ] = False,
) -> None:
    """Verify a receipt: signature, tombstones, hashes. Exit code 1 if a check fails."""
    from p5rec.forget import verify as checks
    from p5rec.forget.receipt import read_receipt

    read = read_receipt(receipt)
    failed = 0
    for check in checks.verify(read, public_key):
        failed += _print_check(check)
    if rederive:
        for check in checks.rederive(read):
            failed += _print_check(check)
    if failed:
        raise typer.Exit(FAILED)


def _print_check(check: Check) -> bool:
    """Prints a check; returns whether it failed."""
    word = {True: "yes", False: "NO", None: "unknown"}[check.passed]
    print(f"{word:<8}{check.what}: {check.detail}")
    return check.passed is False


def _wanted(users: list[str], events: Path | None) -> Wanted:
    from p5rec.forget.wanted import Wanted

    if bool(users) == bool(events):
        raise UserError("expected --user or --events, got " + ("both" if users else "neither"))
    if events:
        return Wanted.read(events)
    named = [one for one in users if one != "-"]
    if "-" in users:
        named += [line.strip() for line in sys.stdin if line.strip()]
    return Wanted.of_users(named)


def _plan(wanted: Wanted, runs: list[Path], basis: str, *, partly: bool) -> Plan:
    from p5rec.core.errors import all_of
    from p5rec.core.paths import cache_home
    from p5rec.forget.plan import check_run, make_plan
    from p5rec.forget.stages import Stages

    stages = Stages.read(cache_home() / "store")
    all_of(*(lambda folder=folder: check_run(folder, stages) for folder in runs))  # type: ignore[misc]
    data = {folder: _data_of(folder) for folder in runs}
    return make_plan(wanted, data, basis, stages, partly=partly)


def _data_of(run: Path) -> DataConfig:
    """The data of a run's config."""
    from p5rec.core.config import bind, read_tree
    from p5rec.core.recipes import RECORD
    from p5rec.data.config import DataConfig

    tree, lines = read_tree(run / RECORD, [])
    inner = {at[1:]: line for at, line in lines.items() if at[:1] == ("data",)}
    return bind(DataConfig, tree["data"], inner, run / RECORD)


def _show(plan: Plan) -> None:
    from p5rec.report.markdown import table

    rows: dict[str, list[float]] = {}
    for chosen, at in ((plan.of_runs, 0), (plan.untouched, 1)):
        for stage in chosen.values():
            own = rows.setdefault(stage.kind, [0, 0, 0.0])
            own[at] += 1
            own[2] += float(stage.manifest["seconds"]) * (at == 0)
    body = [[kind, str(a), str(b), f"{s:.0f}"] for kind, (a, b, s) in sorted(rows.items())]
    head = ["stage", "computed again", "untouched", "seconds the last time"]
    print("\n".join(table(head, body)))
    more = len(plan.touched) - len(plan.of_runs)
    print(f"events to forget: {plan.made.request.events}")
    print(f"further stages in the cache that saw them and are deleted: {more}")
    for run in plan.other_runs:
        print(f"{run}: this run saw them too; name it with --run, or its folder keeps them")
    for file, count in plan.made.request.sources.items():
        print(f"{file}: holds {count} of them; it is yours to edit, and readers leave them out")


def _carry_out(jobs: int | None) -> list[Path]:
    import torch
    from threadpoolctl import threadpool_limits

    from p5rec.core.paths import cache_home
    from p5rec.forget.carry_out import carry_out

    from .run import Options, execute, resolve

    # sums depend on the number of threads
    torch.set_num_threads(1)

    def rerun(folder: Path) -> None:
        script, path = resolve(str(folder), "")
        execute(script, path, [], Options(out=folder, jobs=jobs, force=True))

    with threadpool_limits(1):
        receipts = carry_out(cache_home() / "store", rerun, print)
    for path in receipts:
        print(f"receipt {path}")
    return receipts
