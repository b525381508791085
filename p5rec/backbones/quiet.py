"""Silence the libraries' own talk, so that what is printed is ours."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from transformers.utils import logging as transformers_logging


def quiet() -> None:
    """Hides notices that ask nothing of the user; called where models are loaded.

    Faults do not pass unseen: missing weights are checked by the loader, and what raises raises.
    Hidden are the report on keys left over in a checkpoint (a model cut to fewer layers has many),
    the bar of loading weights (not of downloads, and not ours), and warnings about the libraries'
    own future.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.set_tqdm_hook(_hidden)
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)


def _hidden(bar: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return bar(*args, **{**options, "disable": True})
