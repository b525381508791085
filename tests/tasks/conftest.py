"""Small logs by hand."""

from hand_made import build

__all__ = ["build"]
