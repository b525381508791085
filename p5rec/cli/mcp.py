"""``p5rec mcp``: serves a run's model to agents by the Model Context Protocol."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from p5rec.core.errors import UserError, input_error

app = typer.Typer(add_completion=False, rich_markup_mode=None)
EXTRA = "mcp"


@app.command()
def mcp(
    run: Annotated[Path, typer.Argument(help="A run's folder, or a model in it.")],
    method: Annotated[
        str | None,
        typer.Option(help="A method of the run. Default: the only one, hybrid, or the first."),
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="The config of the data. Default: that of the run.")
    ] = None,
    http: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=1,
            max=65535,
            help="Serve HTTP on this machine's loopback address. Default: standard input and "
            "output.",
        ),
    ] = None,
    *,
    allow_writes: Annotated[
        bool,
        typer.Option(
            "--allow-writes", help="Offer also record_feedback and edit_profile, which write files."
        ),
    ] = False,
) -> None:
    """Serve a model to agents: search, lists, reasons, profiles, feedback.

    Tools read only, unless --allow-writes is given. Feedback and profiles are stored beside the
    run, in RUN.people, and `p5rec forget` deletes them with a person.
    """
    try:
        from p5rec.serve.mcp import build_server, serve_http, serve_stdio
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("mcp", "mcp_types", "anyio"):
            raise
        todo = f"pip install 'p5rec[{EXTRA}]'"
        raise input_error("p5rec mcp", "the package mcp", "none", todo) from None
    from p5rec.api.dataset import Dataset
    from p5rec.api.loading import load
    from p5rec.serve.model_tools import ServedModel

    from .inputs import config_beside

    model = _model(run, method)
    dataset = Dataset.from_config(config_beside(model, config))
    served = ServedModel(load(model, dataset), dataset)
    server = build_server(served.toolbox, allow_writes=allow_writes)
    if http is None:
        serve_stdio(server)
        return
    print(f"p5rec: {model} at http://127.0.0.1:{http}/mcp", file=sys.stderr)
    serve_http(server, http)


def _model(run: Path, method: str | None) -> Path:
    """The folder of the model.

    Raises:
        UserError: there is none.
    """
    from p5rec.methods.folder import is_fitted

    if is_fitted(run):
        if method is not None:
            raise UserError(f"--method: expected a run's folder, got a model ({run}); leave it out")
        return run
    folder = run / "models"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if not names:
        raise input_error(run, "a run's folder with models", "none", "check the path")
    chosen = method or ("hybrid" if "hybrid" in names else names[0])
    if chosen not in names:
        raise input_error("--method", f"one of {', '.join(names)}", repr(chosen), "name one")
    return folder / chosen
