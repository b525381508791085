"""``p5rec recommend`` in a process that is there to be killed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from p5rec.cli.main import main
from p5rec.recommend import sharded_output
from p5rec.recommend.generative import GenerativeRecommender

PART = 4  # users


def run(words: Sequence[str], home: Path, log: Path, pause: float) -> None:
    """The command with its cache in ``home``, writing small parts, each after ``pause`` seconds."""
    with open(log, "ab", buffering=0) as said:
        os.dup2(said.fileno(), 2)
        os.dup2(said.fileno(), 1)
    os.environ["P5REC_HOME"] = str(home)
    whole, answered = sharded_output.write_in_shards, GenerativeRecommender.recommend

    def slow(self: GenerativeRecommender, *given: Any, **more: Any) -> Any:
        time.sleep(pause)
        return answered(self, *given, **more)

    GenerativeRecommender.recommend = slow  # type: ignore[method-assign]
    sharded_output.write_in_shards = lambda *given, **more: whole(*given, **more, shard_size=PART)
    sys.argv = ["p5rec", *words]
    main()
