"""Makes this folder importable, so that every package's tests share ``tiny_models``."""

import os

# models this small lose time to a second thread, and golden curves are drawn by one
os.environ["OMP_NUM_THREADS"] = "1"
