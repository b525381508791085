"""Safe HTML: all text is escaped, except markup made by this module."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from p5rec.core.pages import fill_page

ASSETS = files("p5rec.report") / "assets"
VOID = frozenset({"circle", "img", "line", "polyline"})


class Html(str):
    """Markup, which is not escaped; any other string is text."""

    __slots__ = ()


def tag(name: str, *inside: str, **attributes: str | bool | None) -> Html:
    """An element; ``class_`` stands for ``class``, ``aria_label`` for ``aria-label``.

    An attribute that is None or False is left out, one that is True has no value.
    """
    listed = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(
        f"<{name}{listed}/>" if name in VOID else f"<{name}{listed}>{join(inside)}</{name}>"
    )


def join(strings: Iterable[str]) -> Html:
    """The concatenated strings; text among them is escaped."""
    return Html("".join(s if isinstance(s, Html) else escape(s) for s in strings))


def table(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    note: str = "",
    sortable: bool = False,
) -> Html:
    """A table in a box that scrolls; the first cell of a row is the row's heading.

    Args:
        title: the first line of the caption.
        head: the columns' headings.
        rows: cells; one made by :func:`cell` has its own sort value.
        note: the second line of the caption.
        sortable: whether readers can sort the rows.
    """
    body = []
    for first, *others in rows:
        cells = [c if isinstance(c, Html) and c.startswith("<td") else tag("td", c) for c in others]
        body.append(tag("tr", tag("th", first, scope="row"), *cells))
    element = tag(
        "table",
        tag("caption", tag("div", title, tag("span", note) if note else "")),
        tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head))),
        tag("tbody", *body),
        class_="sortable" if sortable else None,
    )
    return tag("div", element, class_="scroll", role="region", tabindex="0", aria_label=title)


def cell(*inside: str, value: float | None = None) -> Html:
    """A table's cell with a number, sorted by ``value``."""
    return tag("td", *inside, class_="number", data_v=None if value is None else f"{value:.6g}")


def more(summary: str, *inside: str, opened: bool = False, id_: str | None = None) -> Html:
    """Content that is folded until the reader opens it."""
    return tag("details", tag("summary", summary), *inside, open_=opened, id_=id_)


def section(title: str, *inside: str) -> Html:
    """A section whose heading has an anchor."""
    at = anchor(title)
    return tag("section", tag("h2", title, id_=at), *inside, aria_labelledby=at)


def anchor(title: str) -> str:
    """The id of a section's heading."""
    return title.lower().replace(" ", "-")


def document(title: str, *body: str) -> str:
    """A page of one file (see :func:`~p5rec.core.pages.fill_page`)."""
    return fill_page(ASSETS, "report", images=True, title=escape(title), body=join(body))
