"""Small logs and requests by hand."""

from event_fixtures import build, make_requests

__all__ = ["build", "make_requests"]
