"""Items ranked by the words of their names, against one pass over each name written out."""

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
from p5rec.models.checkpoint import Bundle
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
    with torch.no_grad():  # let words differ as much as a trained model's do
        for parameter in made.model.causal.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return made


def whole_rows(bundle: Bundle) -> np.ndarray:
    end = bundle.tokenizer.eos_token_id
    rows = [[*bundle.tokenizer(n, add_special_tokens=False)["input_ids"], end] for n in NAMES]
    table = np.full((len(rows), max(map(len, rows))), END)
    for row, tokens in enumerate(rows):
        table[row, : len(tokens)] = tokens
    return table


def test_a_name_goes_as_far_as_it_takes_to_tell_it_from_the_others(bundle: Bundle) -> None:
    rows, table = title_tokens(bundle.tokenizer, NAMES), whole_rows(bundle)
    paths = rows.trie.paths(torch.arange(len(NAMES)))
    for item, path in enumerate(paths.tolist()):
        said = [int(rows.tokens[level][code]) for level, code in enumerate(path)]
        kept = [token for token in said if token != END]
        assert kept == table[item, : len(kept)].tolist()
        alike = [int((table[item] == other).cumprod().sum()) for other in np.delete(table, item, 0)]
        assert len(kept) == max(alike) + 1


def test_short_rows_rank_as_whole_names_do(bundle: Bundle) -> None:
    texts = ['What next after "Big"?', "Say: "]
    prompts = [np.array(bundle.tokenizer(text)["input_ids"]) for text in texts]
    whole = TokenSequences.build(whole_rows(bundle))
    written = RankingTables.build(bundle, WIDE, 0, whole)
    short = RankingTables.build(bundle, WIDE, 0, title_tokens(bundle.tokenizer, NAMES))
    wanted, found = (rank_for_prompts(tables, prompts, 7) for tables in (written, short))
    assert np.array_equal(found[0], wanted[0])
    assert found[1] == pytest.approx(wanted[1], abs=1e-4)
    assert np.exp(found[1]).sum(axis=1) == pytest.approx(np.ones(2), abs=1e-4)
    assert found[1].std() > 0.01
    assert sorted(found[0][0].tolist()) == list(range(len(NAMES)))
    only = Allowed(allow=ItemLists.joined([[0, 3], [5, 1]]))
    items, _ = rank_for_prompts(written, prompts, 7, only)
    assert [sorted(row[:2].tolist()) for row in items] == [[0, 3], [1, 5]]
    assert (items[:, 2:] == -1).all()


def test_a_model_that_answers_in_titles_shows_titles_where_ids_stand() -> None:
    titles = ["The Same", "The Same", *map(str, range(10))]
    world = {"kind": "markov", "users": 20, "items": len(titles), "events": 6}
    corpus = build(DataConfig(source="synthetic", synthetic=world))[0]
    table = pa.table({"item": corpus.catalog.ids, "title": titles[: len(corpus.catalog)]})
    corpus = replace(corpus, catalog=Catalog(table))
    codes = some_codes(len(corpus.catalog))
    names = make_bundle(scratch(), codes, prompts={"items": "title"}).view(corpus).names
    assert list(names.ids[:3]) == ['"The Same"', '"The Same #2"', '"0"']
    assert list(names.titles[:3]) == titles[:3]
    assert names.row('"The Same #2"') == 1
    assert make_bundle(scratch(), codes).view(corpus).names.ids[0].startswith("<a_")
