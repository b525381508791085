"""Makes this folder importable, so that every package's tests share ``tiny_models``."""
