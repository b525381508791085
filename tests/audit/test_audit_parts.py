"""A stage that reads parts of others is audited against the corpora of its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from p5rec.audit.lineage import artefacts_under, audit_artefacts
from p5rec.core.artefacts import Lineage, Store
from p5rec.data.config import DataConfig
from p5rec.data.prepare import load_corpus, prepare_data


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_stage_without_a_corpus(split: str, tmp_path: Path) -> None:
    store = Store(tmp_path, lambda _: None)
    data = prepare_data(DataConfig(source="synthetic"), store)
    corpus = load_corpus(data.path)
    seen = Lineage(corpus.interactions.event_keys[corpus.split.mask(split)])
    store.stage("adapter", lambda _: seen, config={}, code=(), inputs={"shard": "a hash"})
    findings = audit_artefacts(tmp_path, artefacts_under(tmp_path))
    if split == "train":
        assert findings == []
    else:
        (found,) = findings
        assert found.severity == "warning"
