"""Small hand-made logs."""

from hand_made import build

__all__ = ["build"]
