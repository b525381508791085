"""``p5rec recommend`` in a process that a test kills."""

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

SHARD = 4  # users


def run(words: Sequence[str], home: Path, log: Path, pause: float) -> None:
    """Runs the command with its cache in ``home``, with a pause in seconds before each shard."""
    with open(log, "ab", buffering=0) as output:
        os.dup2(output.fileno(), 2)
        os.dup2(output.fileno(), 1)
    os.environ["P5REC_HOME"] = str(home)
    write, recommend = sharded_output.write_in_shards, GenerativeRecommender.recommend

    def slow(self: GenerativeRecommender, *args: Any, **options: Any) -> Any:
        time.sleep(pause)
        return recommend(self, *args, **options)

    GenerativeRecommender.recommend = slow  # type: ignore[method-assign]
    sharded_output.write_in_shards = lambda *args, **options: write(
        *args, **options, shard_size=SHARD
    )
    sys.argv = ["p5rec", *words]
    main()
