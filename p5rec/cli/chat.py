"""``p5rec chat``: a conversation with a conversational recommender in the terminal."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from p5rec.core.errors import UserError, input_error

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def chat(
    model: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, or a model's folder in it.")
    ],
    method: Annotated[
        str | None,
        typer.Option(help="The run's method. Default: its only one that holds conversations."),
    ] = None,
    liked: Annotated[
        list[str] | None, typer.Option(help="Id of an item that you like. Repeatable.")
    ] = None,
    fact: Annotated[
        list[str] | None,
        typer.Option(help='A fact about you: --fact "likes Comedy". Repeatable.'),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(help="Your id: what you wrote with `p5rec profile RUN --add` is known, too."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a turn.")] = False,
) -> None:
    """Talk with a conversational recommender, a line a turn, until the end of the input.

    Lines come from the terminal or from a pipe. An empty line ends the conversation.
    """
    from p5rec.methods.folder import read_method

    folder = _chatting(model, method)
    predictor: Any = read_method(folder).open_predictor(folder)
    session = predictor.chat(liked or (), (*_written(model, user), *(fact or ())))
    asks = sys.stdin.isatty() and not as_json
    while words := (_line() if asks else sys.stdin.readline().strip()):
        turn = session.say(words)
        print(json.dumps(asdict(turn), ensure_ascii=False) if as_json else turn.text)


def _written(model: Path, user: str | None) -> list[str]:
    """The sentences that a user wrote about themselves; they are shown on the standard error."""
    if user is None:
        return []
    from p5rec.core.terminal import printable
    from p5rec.recommend.people.edits import EditStore
    from p5rec.recommend.people.folder import people_folder

    folder = people_folder(model)
    known = [own.text for own in EditStore(folder).read(user).written]
    for text in known:
        print(printable(f"known: {text}"), file=sys.stderr)
    if not known:
        print(printable(f"known: nothing; {user} wrote nothing in {folder}"), file=sys.stderr)
    return known


def _line() -> str:
    try:
        return input("> ").strip()
    except EOFError:
        return ""


def _chatting(folder: Path, method: str | None) -> Path:
    """The folder of a model that holds conversations.

    Raises:
        UserError: there is none, or there are several.
    """
    from p5rec.methods.folder import is_fitted, read_method

    if is_fitted(folder):
        found = [folder]
    else:
        found = [each for each in sorted((folder / "models").glob("*")) if is_fitted(each)]
    if not found:
        raise input_error(
            folder, "a run's folder, or a model's", "no fitted model", "check the path"
        )
    able = {each.name: each for each in found if "chat" in read_method(each).capabilities}
    if not able:
        got = ", ".join(read_method(each).kind for each in found)
        raise input_error(folder, "a method that holds conversations", got, "fit a recllm")
    if method is None and len(able) > 1:
        raise UserError(f"--method: expected one of {', '.join(able)}, got none; name one")
    chosen = next(iter(able)) if method is None else method
    if chosen not in able:
        raise UserError(f"--method: expected one of {', '.join(able)}, got {chosen!r}; name one")
    return able[chosen]
