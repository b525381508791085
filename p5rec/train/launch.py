"""The processes launched together: whether they found each other, and what each reads."""

from __future__ import annotations

import os
from math import gcd

from p5rec.core.errors import UserError
from p5rec.core.launch import processes


def check_joined(found: int, kind: str) -> None:
    """Refuses to train when the launcher's word was not heard: each process would train alone, or
    hold a whole model where it was to hold a piece. The libraries say nothing then.

    Args:
        found: processes that the trainer knows of.
        kind: how they train together, as accelerate calls it.

    Raises:
        UserError: fewer or more than were launched, or in another way.
    """
    if found != processes():
        raise UserError(
            f"expected {processes()} processes training together, got {found} "
            "(on CPU launch with `ACCELERATE_USE_CPU=true torchrun`); mend the launch command"
        )
    for way in ("DEEPSPEED", "FSDP"):
        if os.environ.get(f"ACCELERATE_USE_{way}", "false").lower() == "true" and kind != way:
            raise UserError(
                f"expected processes training under {way}, got {kind} (on CPU, DeepSpeed needs "
                "ACCELERATE_USE_CPU unset, and FSDP does not work); mend the launch command"
            )


def share(batch: int, accumulate: int) -> tuple[int, int]:
    """One process's part of a step, so that a step reads the same rows on any number of them.

    Processes take whole batches of those that a step accumulates, and parts of a batch only where
    there are more processes than batches.

    Args:
        batch: rows of one forward pass.
        accumulate: batches a step.

    Returns:
        Rows of each of the process's forward passes, and how many of these a step has.

    Raises:
        UserError: the rows of a step cannot be shared out evenly.
    """
    together = gcd(accumulate, processes())
    rows, left = divmod(batch * together, processes())
    if left:
        raise UserError(
            f"train: expected batch and accumulate to share out evenly, got {accumulate} x {batch} "
            f"rows for {processes()} processes; set train.batch to a multiple of "
            f"{processes() // together}"
        )
    return rows, accumulate // together
