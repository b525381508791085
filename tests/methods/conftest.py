"""Small logs and requests by hand."""

from hand_made import ask, build

__all__ = ["ask", "build"]
