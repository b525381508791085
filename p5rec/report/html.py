"""HTML that nothing it holds can break: text is escaped, only markup made here is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from p5rec.core.pages import fill_page

ASSETS = files("p5rec.report") / "assets"
VOID = frozenset({"circle", "img", "line", "polyline"})


class Html(str):
    """Markup; any other string is text."""

    __slots__ = ()


def tag(name: str, *inside: str, **attributes: str | bool | None) -> Html:
    """An element; ``class_`` stands for ``class``, ``aria_label`` for ``aria-label``.

    An attribute that is None or False is left out, one that is True has no value.
    """
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{told}/>" if name in VOID else f"<{name}{told}>{join(inside)}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """The parts one after another, text among them escaped."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))


def table(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    said: str = "",
    sortable: bool = False,
) -> Html:
    """A table in a box of its own that scrolls; the first cell of a row is the row's heading.

    Args:
        title: what the table shows, of its caption the first line.
        head: a cell a column.
        rows: cells; one made by :func:`cell` says itself what it sorts by.
        said: the second line of the caption.
        sortable: a script may sort its rows.
    """
    body = []
    for first, *others in rows:
        cells = [c if isinstance(c, Html) and c.startswith("<td") else tag("td", c) for c in others]
        body.append(tag("tr", tag("th", first, scope="row"), *cells))
    drawn = tag(
        "table",
        tag("caption", tag("div", title, tag("span", said) if said else "")),
        tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head))),
        tag("tbody", *body),
        class_="sortable" if sortable else None,
    )
    return tag("div", drawn, class_="scroll", role="region", tabindex="0", aria_label=title)


def cell(*inside: str, value: float | None = None) -> Html:
    """A table's cell that holds a number, sorted by ``value``."""
    return tag("td", *inside, class_="number", data_v=None if value is None else f"{value:.6g}")


def more(summary: str, *inside: str, opened: bool = False, id_: str | None = None) -> Html:
    """What is folded away until it is asked for."""
    return tag("details", tag("summary", summary), *inside, open_=opened, id_=id_)


def section(title: str, *inside: str) -> Html:
    """A section under a heading that can be linked to."""
    at = anchor(title)
    return tag("section", tag("h2", title, id_=at), *inside, aria_labelledby=at)


def anchor(title: str) -> str:
    """Where a section is found within the page."""
    return title.lower().replace(" ", "-")


def document(title: str, *body: str) -> str:
    """A page of one file (see :func:`~p5rec.core.pages.fill_page`)."""
    return fill_page(ASSETS, "report", images=True, title=escape(title), body=join(body))
