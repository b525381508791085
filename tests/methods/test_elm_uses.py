"""What ELM's space is used for: texts about any point, steps along concepts, reasons, a map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from point_world import elm, point_world, save_vectors, view_of
from test_elm import STEPS, TINY

import p5rec
from p5rec.cli.describe import app
from p5rec.core.artefacts import write_json
from p5rec.core.errors import UserError
from p5rec.core.types import TEST, Corpus
from p5rec.data.space_map import FILE, SpaceMap, plane
from p5rec.methods.folder import read_method
from p5rec.methods.pairs import pair_frame, pair_predictors
from p5rec.methods.systems.elm.concepts import Concept
from p5rec.methods.systems.elm.method import Elm
from p5rec.recommend.serving import FILE as SERVING
from p5rec.recommend.serving import ServingConfig
from p5rec.report.space_plot import draw_space

pytestmark = pytest.mark.system("elm")


@pytest.fixture(scope="module")
def world() -> tuple[Corpus, np.ndarray]:
    return point_world(items=60)


@pytest.fixture(scope="module")
def folder(world: tuple[Corpus, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus, vectors = world
    root = tmp_path_factory.mktemp("elm")
    space = save_vectors(corpus, vectors, root / "space")
    made = elm(Elm(**TINY, train=STEPS), corpus, space, space, root / "elm")
    write_json(made / SERVING, ServingConfig(k=5).dump())
    return made


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Any:
    return read_method(folder).load(folder)


def test_a_saved_model_has_its_concepts(predictor: Any, world: Any) -> None:
    view = view_of(predictor, world[0])
    assert len(predictor.concepts) >= 4
    for trait, concept in predictor.concepts.items():
        again = Concept.of(view, trait)
        assert np.allclose(concept.direction, again.direction)
        assert concept.spread == pytest.approx(again.spread)
    assert predictor.concept("oPERA").trait == "Opera"
    with pytest.raises(UserError, match=r"concept: expected a common attribute value.*'Oper'"):
        predictor.concept("Oper")


def test_points_by_ids(folder: Path, predictor: Any) -> None:
    model = p5rec.load(folder)
    frame = p5rec.describe_points(model, ["i3", ["i3", "i7"]], toward="Opera", steps=[0, 2])
    assert frame["point"].to_list() == ["i3", "i3", "i3 + i7", "i3 + i7"]
    assert frame["step"].to_list() == [0, 2, 0, 2]
    one, other = predictor.points(["i3", "i7"])
    moved = predictor.concept("Opera").steps((one + other)[None] / 2, np.array([0.0, 2.0]))[0]
    assert frame["text"].to_list()[2:] == predictor.describe(moved)
    with pytest.raises(UserError, match="points: expected items with a vector, got 'i99'"):
        p5rec.describe_points(model, ["i99"])
    with pytest.raises(UserError, match="describe: expected an item, got none"):
        p5rec.describe_points(model, [])


def test_the_command_prints_the_texts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--item", "i3", "--item", "i7", "--mean", "--toward", "Opera", "--steps", "-1,1"]
    app([str(folder), *words], standalone_mode=False)
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "i3 + i7  -1 Opera",
        "i3 + i7  +1 Opera",
    ]
    with pytest.raises(UserError, match="--word: expected FIELD=TEXT, got 'genres'"):
        app([str(folder), "--item", "i3", "--word", "genres"], standalone_mode=False)


def test_reasons_are_texts_about_two_points(predictor: Any, world: Any) -> None:
    corpus = world[0]
    users, items = np.array([0, 5, 0]), np.array([3, 3, 9])
    explain = pair_predictors(predictor.method, predictor, corpus, ["explanations"])
    frame: pl.DataFrame = pair_frame(explain(users, items), corpus, users, items)
    view = view_of(predictor, corpus)
    shown = {"user_point": view.points.users[users], "point": view.points.items[items]}
    assert frame["explanation"].to_list() == predictor.describe(shown, "point-reasons")
    with pytest.raises(UserError, match="expected a method that predicts ratings"):
        predictor.of_pairs("ratings", corpus)


def test_a_map_shows_held_out_points(predictor: Any, world: Any, tmp_path: Path) -> None:
    corpus = world[0]
    predictor.predict_split(ServingConfig(k=5, lists=False), corpus, "test", tmp_path)
    found, view = SpaceMap.read(tmp_path), view_of(predictor, corpus)
    held_out = {corpus.catalog.titles[n] for n in np.flatnonzero(view.points.item_split == TEST)}
    assert {*found.names[:-1]} <= held_out
    assert len(found.names) == len(found.points) == len(found.texts)
    assert np.allclose(found.points[-1], np.mean(found.points[:2], axis=0), atol=1e-3)
    genres = [corpus.catalog.values("genres")[n] for n in range(3)]
    assert len(found.items) == len(genres) + 57
    draw_space(found, tmp_path / "space.png")
    assert (tmp_path / "space.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / FILE).is_file()


def test_the_plane_holds_the_most_variance() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 4)) * [1, 5, 0.5, 3]
    mean, axes = plane(vectors)
    assert np.allclose(np.abs(axes), np.eye(4)[:, [1, 3]], atol=0.2)
    assert np.allclose(mean, vectors.mean(axis=0))
    assert np.allclose(axes.T @ axes, np.eye(2))
