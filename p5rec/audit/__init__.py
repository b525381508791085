"""Leak checks. Calling the package calls :func:`p5rec.api.auditing.audit`."""
