"""Receipts: what was forgotten, what was computed again, and a signature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from p5rec.core.artefacts import read_json, write_json
from p5rec.core.atomic import write_secret
from p5rec.core.config import Config
from p5rec.core.errors import UserError, input_error
from p5rec.data.tombstones import forget_folder

from .requests import RECEIPTS, Request

KEY = "key.pem"
State = Literal["computed again", "deleted", "new", "untouched", "unused"]


class Artefact(Config):
    """A stage before and after the request.

    Attributes:
        stage: its name.
        state: ``computed again``; ``deleted`` (the runs need it no longer, or are not those of the
            request); ``new`` (the runs did not need it before); ``untouched``; ``unused`` (it did
            not see the events, and the runs need it no longer).
        old, new: its key before and after; empty if there is none.
        old_hash, new_hash: hashes of the content (:func:`p5rec.core.content.content_hash`).
    """

    stage: str
    state: State
    old: str = ""
    old_hash: str = ""
    new: str = ""
    new_hash: str = ""


class Output(Config):
    """The folder of a run before and after the request.

    Attributes:
        folder: its path.
        config: SHA-256 of its config.
        seeds: the seeds of the config, by key.
        old_hash, new_hash: hashes of the content.
        older: files in it that the run did not write again.
    """

    folder: str
    config: str
    seeds: dict[str, int]
    old_hash: str
    new_hash: str
    older: tuple[str, ...]


class Signature(Config):
    """An Ed25519 signature (RFC 8032) of the receipt without it.

    Attributes:
        public_key, value: hexadecimal.
    """

    public_key: str
    value: str


class Receipt(Config):
    """The receipt of a request.

    Attributes:
        format: version of this format.
        request: the request.
        together_with: ids of the requests that were carried out at the same time.
        finished: UTC time, ISO 8601.
        artefacts: the stages of the request's runs, and all deleted ones.
        outputs: the folders of its runs.
        other_runs: folders of further runs that saw the events and were not computed again.
        checked: store → what was found in it: stages read, stages that still hold the events
            (always 0), deleted leftovers of interrupted runs, deleted answers of endpoints.
        versions: of the libraries.
        command: computes the new hashes again, in a new process with an empty cache.
        signature: None until it is signed.
    """

    format: Literal[1] = 1
    request: Request
    together_with: tuple[str, ...]
    finished: str
    artefacts: tuple[Artefact, ...]
    outputs: tuple[Output, ...]
    other_runs: tuple[str, ...]
    checked: dict[str, int]
    versions: dict[str, str]
    command: str
    signature: Signature | None = None

    @property
    def path(self) -> Path:
        """Its file."""
        return forget_folder() / RECEIPTS / f"{self.request.id}.json"

    def signed(self) -> Receipt:
        """This receipt with a signature by the key of this cache."""
        key = _private_key()
        public = key.public_key().public_bytes_raw().hex()
        signature = Signature(public_key=public, value=key.sign(self._message()).hex())
        return self.model_copy(update={"signature": signature})

    def write(self) -> Path:
        """Writes it; returns the path."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(self.path, self.dump())
        return self.path

    def has_valid_signature(self) -> bool:
        """Whether the signature is that of its public key, of this content."""
        if self.signature is None:
            return False
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.signature.public_key))
            public.verify(bytes.fromhex(self.signature.value), self._message())
        except (InvalidSignature, ValueError):
            return False
        return True

    def _message(self) -> bytes:
        content = {k: v for k, v in self.dump().items() if k != "signature"}
        return json.dumps(content, sort_keys=True, ensure_ascii=False).encode()


def read_receipt(path: Path) -> Receipt:
    """The receipt in a file.

    Raises:
        UserError: it is missing, damaged, or no receipt.
    """
    value = read_json(path)
    try:
        return Receipt(**value)
    except (TypeError, ValueError):
        raise input_error(
            path, "a receipt", "another JSON file", "name a file that `p5rec forget` wrote"
        ) from None


def own_public_key() -> str | None:
    """The public key of this cache, hexadecimal; None before the first receipt."""
    if not (forget_folder() / KEY).is_file():
        return None
    return _private_key().public_key().public_bytes_raw().hex()


def _private_key() -> Ed25519PrivateKey:
    """The signing key of this cache, which is made once and readable to its owner alone."""
    path = forget_folder() / KEY
    if not path.is_file():
        made = Ed25519PrivateKey.generate()
        pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        write_secret(path, made.private_bytes(*pem, serialization.NoEncryption()))
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"{path}: expected an Ed25519 key, got another file; restore or delete it")
    return key
