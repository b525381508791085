"""The rungs of the acceptance ladder: what was measured of each system.

A rung is one JSON file, ``docs/results/SYSTEM/RUNG.json``. A wheel holds all of them in one file.
Its build imports this module, so the module needs nothing but the standard library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from p5rec.core.errors import UserError, input_error
from p5rec.core.paths import RESULTS, SHIPPED_RUNGS

RUNGS = {
    "G0": "contract",
    "G1": "planted effect",
    "G2": "mechanism on real data",
    "G3": "the paper's claim",
}


@dataclass(frozen=True)
class Rung:
    """One rung of one system.

    Attributes:
        rung: a key of :data:`RUNGS`.
        passed: whether the claim holds.
        claim: the claim, as a sentence without a full stop.
        metric: the metric of the claim.
        value, low, high: a difference and its 95 % interval; of G0, the number of exact facts.
        detectable: the smallest detectable difference.
        command: the command that measures it again.
        source: where the numbers come from.
    """

    rung: str
    passed: bool
    claim: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    detectable: float | None
    command: str
    source: Mapping[str, Any] = field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        """The rung without its source, as plain data."""
        return {key: value for key, value in asdict(self).items() if key != "source"}


def read_rung(path: Path) -> Rung:
    """The rung in a file.

    Raises:
        UserError: it is no JSON object with the keys of a rung, or has the name of another rung.
    """
    try:
        return _rung(json.loads(path.read_text(encoding="utf-8")), path)
    except ValueError as error:
        raise _damaged(path, str(error)) from None


def collected(folder: Path = RESULTS) -> dict[str, list[Rung]]:
    """The rungs of every system with results in ``folder``, by system.

    Raises:
        UserError: a file is damaged.
    """
    found: dict[str, list[Rung]] = {}
    for path in sorted(folder.glob("*/G?.json")):
        found.setdefault(path.parent.name, []).append(read_rung(path))
    return found


def compiled(rungs: Mapping[str, list[Rung]]) -> str:
    """The text of the file of a wheel."""
    plain = {system: [asdict(rung) for rung in ladder] for system, ladder in rungs.items()}
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def ladders() -> dict[str, list[Rung]]:
    """The rungs of every system that has some: of the wheel, or of a clone."""
    if not SHIPPED_RUNGS.is_file():
        return collected()
    plain = json.loads(SHIPPED_RUNGS.read_text(encoding="utf-8"))
    return {system: [Rung(**rung) for rung in ladder] for system, ladder in plain.items()}


def _rung(tree: Any, path: Path) -> Rung:
    known = {key.name for key in fields(Rung)}
    if not isinstance(tree, dict) or not known - {"source"} <= tree.keys() <= known:
        raise _damaged(path, "other keys")
    if tree["rung"] != path.stem or path.stem not in RUNGS:
        raise _damaged(path, f"the rung {tree['rung']!r}")
    return Rung(**tree)


def _damaged(path: Path, got: str) -> UserError:
    expected = f"the rung {path.stem}, one of {', '.join(RUNGS)}"
    return input_error(path, expected, got, "record it again with scripts/ladder")
