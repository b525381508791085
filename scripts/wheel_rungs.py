"""The build step of the wheel: compiles the rungs of all systems into one file."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileRungs(BuildHookInterface):
    """Adds ``p5rec/_assets/rungs.json`` to the wheel; an editable install reads the clone."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._folder = TemporaryDirectory()
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from p5rec.report.rungs import collected, compiled

        path = Path(self._folder.name) / "rungs.json"
        text = compiled(collected(Path(self.root) / "docs" / "results"))
        path.write_text(text, encoding="utf-8")
        build_data["force_include"][str(path)] = "p5rec/_assets/rungs.json"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self._folder.cleanup()
