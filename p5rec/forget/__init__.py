"""Exact forgetting: what saw a person's events is computed again as if they had never been."""
