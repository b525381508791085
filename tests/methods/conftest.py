"""Small logs and requests by hand."""

from hand_made import build, make_requests

__all__ = ["build", "make_requests"]
