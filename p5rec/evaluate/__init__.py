"""Metrics of methods. Calling the package calls :func:`p5rec.api.evaluation.evaluate`."""
