"""Silences messages of the libraries."""

from __future__ import annotations

import logging
import warnings
from typing import Any


def quiet() -> None:
    """Hides notices that need no action from the user; called before models are loaded.

    Hidden are the list of unused checkpoint keys (a truncated model has many), the progress bar of
    weight loading (not those of downloads), and deprecation warnings inside the libraries. Errors
    stay visible, and the loader checks for missing weights itself.
    """
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.set_tqdm_hook(_hidden)
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)


def _hidden(bar: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return bar(*args, **{**options, "disable": True})
