"""The shipped configs, each with its leading comment."""

from __future__ import annotations

from collections.abc import Mapping

from p5rec.core.recipes import shipped

PAGE = "reference/recipes.md"
INTRO = """# Shipped configs

`p5rec run NAME` runs one. `base: NAME` makes it the base of your own config. The comment on top
describes the config.
"""


def sources() -> Mapping[str, str]:
    """Path in the repository → page made from it."""
    return {
        f"recipes/configs/{recipe}/{path.name}": f"{PAGE}#{name}"
        for recipe, configs in shipped().items()
        for name, path in configs.items()
    }


def pages() -> Mapping[str, str]:
    """Path below ``docs/`` → page."""
    out = [INTRO]
    for configs in shipped().values():
        for name, path in sorted(configs.items()):
            out.append(f"## `{name}` {{ #{name} }}\n\n```yaml\n{path.read_text()}```\n")
    return {PAGE: "\n".join(out)}
