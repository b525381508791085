"""Leak checks. Called, the package is :func:`p5rec.api.auditing.audit`."""
