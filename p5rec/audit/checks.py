"""The leaks that published code has, looked for in a corpus and in what was made of it.

Numbers in front of the checks are those of the project's measuring rules: 1 ids in order of
appearance, 2 the target in a text, 3 things learned from held-out events, 4 order by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from p5rec.core.types import Corpus
from p5rec.ids.tokens import item_strings
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import PromptsConfig
from p5rec.tasks.view import CorpusView, item_names

from .chronology import audit_codes, audit_ids
from .findings import Finding, with_file_rows
from .order import audit_file_order, audit_order
from .prompts import audit_prompts
from .repeats import audit_repeats
from .side_texts import audit_attributes, audit_profiles
from .targets import Target


def audit_corpus(corpus: Corpus, *, ordinal: bool = False, seen: bool = False) -> list[Finding]:
    """Everything suspicious about a prepared corpus.

    Args:
        corpus: the corpus.
        ordinal: its times are positions.
        seen: the items' own ids can be seen, as in a log that anybody may read.
    """
    return [
        *audit_ids(corpus, seen=seen),
        *audit_order(corpus, ordinal=ordinal),
        *audit_repeats(corpus),
        *audit_attributes(corpus),
    ]


def audit_target(target: Target, prompts: Sequence[str], users: Path | None) -> list[Finding]:
    """All that every check finds in a corpus and beside it.

    Args:
        target: the corpus and what was made of it.
        prompts: folders of prompt files besides the shipped one and those it names.
        users: a table of users' texts.

    Raises:
        UserError: a table or a prompt file cannot be read.
    """
    corpus, log = target.corpus, target.log
    found = audit_corpus(corpus, ordinal=target.ordinal, seen=target.seen)
    for name, codes in target.codes.items():
        found += audit_codes(corpus, codes, name)
    if users is not None:
        found += audit_profiles(corpus, users)
    strings = [f"<{row}>" for row in range(len(corpus.catalog))]  # where there are no codes yet
    if target.codes:
        strings = item_strings(next(iter(target.codes.values())))
    titles = corpus.catalog.titles
    for posed in target.prompts or [PromptsConfig()]:
        view = CorpusView(corpus, item_names(posed.items, strings, titles))
        folders = [Path(folder) for folder in (*posed.folders, *prompts)]
        found += audit_prompts(view, PromptLibrary.load(extra=folders), posed)
    if log is not None:
        found = with_file_rows(found, log.events, 1 if log.ordinal else 1_000_000)
        if not log.ordinal and log.files:
            found += audit_file_order(log.events)
    return found
