"""Fixtures of the prompting tests."""

from __future__ import annotations

import pytest
from small_corpora import make_view, with_points

from p5rec.prompting.library import PromptLibrary
from p5rec.tasks.view import CorpusView


@pytest.fixture(scope="session")
def view() -> CorpusView:
    return with_points(make_view())


@pytest.fixture(scope="session")
def library() -> PromptLibrary:
    return PromptLibrary.load()
