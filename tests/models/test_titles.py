"""Ranking by title prefixes against ranking by full titles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from tiny_models import llama, make_bundle, save_llama, save_t5, scratch, some_codes

from p5rec.core.types import Catalog
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.decode.token_sequences import END, TokenSequences
from p5rec.models.bundle import Bundle
from p5rec.models.titles import title_tokens
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.prompt_ranking import rank_for_prompts
from p5rec.recommend.tables import RankingTables

NAMES = ['"Alien"', '"Aliens"', '"Alien 3"', '"Brazil"', '"Big"', '"Big" #2', '"Zulu"']
WIDE = DecodeConfig(k=7, beams=7)


@pytest.fixture(scope="module", params=["llama", "t5", "scratch"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("model")
    backbone = {
        "llama": lambda: llama(save_llama(folder)),
        "t5": lambda: llama(save_t5(folder)),
        "scratch": scratch,
    }[request.param]()
    made = make_bundle(backbone, some_codes(len(NAMES))).ready()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # so that scores differ as in a trained model
        for parameter in made.model.causal.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return made


def full_titles(bundle: Bundle) -> np.ndarray:
    end = bundle.tokenizer.eos_token_id
    rows = [[*bundle.tokenizer(n, add_special_tokens=False)["input_ids"], end] for n in NAMES]
    table = np.full((len(rows), max(map(len, rows))), END)
    for row, tokens in enumerate(rows):
        table[row, : len(tokens)] = tokens
    return table


def test_title_prefixes_are_the_shortest_unambiguous_ones(bundle: Bundle) -> None:
    rows, table = title_tokens(bundle.tokenizer, NAMES), full_titles(bundle)
    paths = rows.trie.paths(torch.arange(len(NAMES)))
    for item, path in enumerate(paths.tolist()):
        tokens_of_path = [int(rows.tokens[level][code]) for level, code in enumerate(path)]
        prefix = [token for token in tokens_of_path if token != END]
        assert prefix == table[item, : len(prefix)].tolist()
        alike = [int((table[item] == other).cumprod().sum()) for other in np.delete(table, item, 0)]
        assert len(prefix) == max(alike) + 1


def test_title_prefixes_rank_like_full_titles(bundle: Bundle) -> None:
    texts = ['What next after "Big"?', "Say: "]
    prompts = [np.array(bundle.tokenizer(text)["input_ids"]) for text in texts]
    full_sequences = TokenSequences.build(full_titles(bundle))
    written = RankingTables.build(bundle, WIDE, 0, full_sequences)
    short = RankingTables.build(bundle, WIDE, 0, title_tokens(bundle.tokenizer, NAMES))
    expected, actual = (rank_for_prompts(tables, prompts, 7) for tables in (written, short))
    assert np.array_equal(actual[0], expected[0])
    assert actual[1] == pytest.approx(expected[1], abs=1e-4)
    assert np.exp(actual[1]).sum(axis=1) == pytest.approx(np.ones(2), abs=1e-4)
    assert actual[1].std() > 0.01
    assert sorted(actual[0][0].tolist()) == list(range(len(NAMES)))
    allowed = Allowed(allow=ItemLists.joined([[0, 3], [5, 1]]))
    items, _ = rank_for_prompts(written, prompts, 7, allowed)
    assert [sorted(row[:2].tolist()) for row in items] == [[0, 3], [1, 5]]
    assert (items[:, 2:] == -1).all()


def test_a_model_that_predicts_titles_has_titles_as_item_names() -> None:
    titles = ["The Same", "The Same", *map(str, range(10))]
    dataset = {"kind": "markov", "users": 20, "items": len(titles), "events": 6}
    corpus = build(DataConfig(source="synthetic", synthetic=dataset))[0]
    table = pa.table({"item": corpus.catalog.ids, "title": titles[: len(corpus.catalog)]})
    corpus = replace(corpus, catalog=Catalog(table))
    codes = some_codes(len(corpus.catalog))
    names = make_bundle(scratch(), codes, prompts={"items": "title"}).view(corpus).names
    assert list(names.ids[:3]) == ['"The Same"', '"The Same #2"', '"0"']
    assert list(names.titles[:3]) == titles[:3]
    assert names.row('"The Same #2"') == 1
    assert make_bundle(scratch(), codes).view(corpus).names.ids[0].startswith("<a_")
