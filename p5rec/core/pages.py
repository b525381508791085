"""Self-contained HTML pages: style and script are inline, and the policy blocks every request."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources.abc import Traversable
from string import Template


def fill_page(assets: Traversable, name: str, *, images: bool = False, **fields: str) -> str:
    """``NAME.html`` with ``NAME.css`` and ``NAME.js`` inlined.

    The content security policy forbids every request and, by hash, every other script and style.

    Args:
        assets: the folder of the three files.
        name: the name of the page.
        images: whether the page contains inline images.
        **fields: the values of ``$field`` in the HTML, already escaped.
    """

    def asset(kind: str) -> str:
        return (assets / f"{name}.{kind}").read_text(encoding="utf-8")

    style, script = (f"\n{asset(kind)}" for kind in ("css", "js"))
    policy = "; ".join(
        [
            "default-src 'none'",
            *(["img-src data:"] if images else []),
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return Template(asset("html")).substitute(fields, policy=policy, style=style, script=script)


def _hash(source: str) -> str:
    return f"sha256-{b64encode(sha256(source.encode()).digest()).decode()}"
