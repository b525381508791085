"""Numbers of methods. Called, the package is :func:`p5rec.api.evaluation.evaluate`."""
