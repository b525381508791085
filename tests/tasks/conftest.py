"""Small hand-made logs."""

from event_fixtures import build

__all__ = ["build"]
