"""Answers of an endpoint, cached one by one in files of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import digest, read_json, write_json
from p5rec.core.errors import UserError

from .port import Answer


class AnswerCache:
    """Answers by the hash of what was asked. The questions are not stored.

    Several threads and processes may use one folder.

    Args:
        folder: of the files.

    Attributes:
        hits: the number of answers found.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.hits = folder, 0

    def get(self, question: Mapping[str, Any]) -> Answer | None:
        """The answer to ``question``; None without one."""
        path = self._path(question)
        if not path.is_file():
            return None
        with suppress(UserError, TypeError):  # a damaged file is asked for again
            answer = Answer(**read_json(path))
            with suppress(OSError):  # a read-only cache
                os.utime(path)  # the time of last use
            self.hits += 1
            return answer
        return None

    def put(self, question: Mapping[str, Any], answer: Answer) -> None:
        """Stores ``answer``."""
        write_json(self._path(question), asdict(answer))

    def _path(self, question: Mapping[str, Any]) -> Path:
        name = digest(question)
        return self.folder / name[:2] / f"{name}.json"
