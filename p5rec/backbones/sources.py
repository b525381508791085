"""Where a model's files come from, and whether anything may be downloaded for them.

What a user named may be downloaded, and one line says so; what a saved model names, which may be
anybody's, only if the user allows it.
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
EMBEDDED: dict[str, Callable[[], Path]] = {
    "smollm2": smollm2_folder,
    "minilm": lambda: fetch("minilm"),
}
TO_CONVERT = (
    "convert them where you trust them: AutoModel.from_pretrained(NAME).save_pretrained(FOLDER)"
)


def opened(
    name: str, read: Callable[[str, bool], T], *, what: str, expected: str, download: bool
) -> T:
    """What ``read`` makes of the model ``name``, which it opens from this machine if it can.

    Args:
        name: of :data:`EMBEDDED`, a folder, or a hub name.
        read: given a folder or a hub name, and whether files on this machine are all there are.
        what, expected: the names of the thing and of what it may be, in messages.
        download: whether missing files may be fetched.

    Raises:
        UserError: there is no such model, it is not on this machine and may not be downloaded, or
            its weights are no safetensors.
    """
    begin = f"{what} {name!r}: expected {expected}"
    if name in EMBEDDED:
        if not (download or fetched(name) or (name == "smollm2" and converted())):
            raise UserError(f"{begin}, got one that is not on this machine; add {ALLOW}")
        source = str(EMBEDDED[name]())
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
                    f"{begin}, got a name whose files are not on this machine; check the name, or "
                    f"add {ALLOW} to fetch it from the hub"
                ) from None
            print(f"downloading {source} from the hub", file=sys.stderr)
            return read(source, False)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        if _pickled(source) or "use_safetensors" in str(error):
            raise UserError(
                f"{begin} with safetensors, got weights of another format, which may hold code; "
                f"{TO_CONVERT}"
            ) from None
        raise UserError(f"{begin}, got: {str(error).splitlines()[0]}; check the name") from error


def fingerprint(name: str) -> dict[str, str]:
    """Hashes of the files behind a backbone or a text encoder where ``name`` is a folder of the
    user's: what is in it may change under the same name."""
    folder = Path(name)
    if name in EMBEDDED or not folder.is_dir():
        return {}
    return {p.name: file_sha256(p) for p in sorted(folder.iterdir()) if p.is_file()}


def _on_a_hub(name: str) -> bool:
    """Whether a hub could know it by this name."""
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _pickled(source: str) -> bool:
    """Whether a folder has weights, but none in safetensors."""
    folder = Path(source)
    return any(folder.glob("*.bin")) and not any(folder.glob("*.safetensors"))
