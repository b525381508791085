"""Finds a model's files, and downloads them where that is allowed.

A model that the user names may be downloaded; one line reports it. A model that a saved model
names, which may come from anybody, is downloaded only if the user allows it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from huggingface_hub import is_offline_mode
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError

from p5rec.core.artefacts import file_sha256
from p5rec.core.errors import UserError
from p5rec.data.fetch import fetch, fetched

from .smollm2 import converted, smollm2_folder

T = TypeVar("T")
ALLOW = "--allow-download"
BUILT_IN: dict[str, Callable[[], Path]] = {
    "smollm2": smollm2_folder,
    "minilm": lambda: fetch("minilm"),
}
TO_CONVERT = (
    "convert them where you trust them: AutoModel.from_pretrained(NAME).save_pretrained(FOLDER)"
)


def open_model(
    name: str, read: Callable[[str, bool], T], *, what: str, expected: str, download: bool
) -> T:
    """Opens the model ``name`` with ``read``, from this machine if possible.

    Args:
        name: a key of :data:`BUILT_IN`, a folder, or a hub name.
        read: opens a folder or a hub name; its second argument says whether only local files may
            be used.
        what, expected: for messages: what is opened, and which names are valid.
        download: whether missing files may be downloaded.

    Returns:
        The value of ``read``.

    Raises:
        UserError: the model does not exist, is not on this machine and may not be downloaded, or
            has no weights in safetensors.
    """
    prefix = f"{what} {name!r}: expected {expected}"
    if name in BUILT_IN:
        if not (download or fetched(name) or (name == "smollm2" and converted())):
            raise UserError(f"{prefix}, got one that is not on this machine; add {ALLOW}")
        source = str(BUILT_IN[name]())
    else:
        source = name
    try:
        try:
            return read(source, True)
        except OSError:
            if Path(source).exists() or is_offline_mode() or not _on_a_hub(source):
                raise
            if not download:
                raise UserError(
                    f"{prefix}, got a name whose files are not on this machine; check the name, or "
                    f"add {ALLOW} to fetch it from the hub"
                ) from None
            print(f"downloading {source} from the hub", file=sys.stderr)
            return read(source, False)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        if _pickled(source) or "use_safetensors" in str(error):
            raise UserError(
                f"{prefix} with safetensors, got weights of another format, which may hold code; "
                f"{TO_CONVERT}"
            ) from None
        raise UserError(f"{prefix}, got: {str(error).splitlines()[0]}; check the name") from error


def fingerprint(name: str) -> dict[str, str]:
    """Hashes of the files of a backbone or text encoder if ``name`` is a user's folder.

    The contents of such a folder may change under the same name.
    """
    folder = Path(name)
    if name in BUILT_IN or not folder.is_dir():
        return {}
    return {p.name: file_sha256(p) for p in sorted(folder.iterdir()) if p.is_file()}


def _on_a_hub(name: str) -> bool:
    """Whether ``name`` is a valid name of a hub repository."""
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _pickled(source: str) -> bool:
    """Whether a folder has weights, but not in safetensors."""
    folder = Path(source)
    return any(folder.glob("*.bin")) and not any(folder.glob("*.safetensors"))
