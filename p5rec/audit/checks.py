"""Checks for the leaks of published code, in a corpus and in the artefacts made from it.

The number of a check is that of its kind of leak: 1 ids in order of appearance, 2 the target in a
text, 3 training on held-out events, 4 order by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from p5rec.core.types import Corpus
from p5rec.ids.tokens import item_strings
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import PromptsConfig
from p5rec.tasks.item_names import item_names
from p5rec.tasks.view import CorpusView

from .chronology import audit_codes, audit_ids
from .findings import Finding, with_file_rows
from .order import audit_file_order, audit_order
from .prompts import audit_prompts
from .repeats import audit_repeats
from .side_texts import audit_attributes, audit_profiles
from .targets import Target


def audit_corpus(corpus: Corpus, *, ordinal: bool = False, seen: bool = False) -> list[Finding]:
    """The findings of a prepared corpus.

    Args:
        corpus: the corpus.
        ordinal: whether its times are mere positions.
        seen: whether the items' own ids are public, as in a published log.
    """
    return [
        *audit_ids(corpus, seen=seen),
        *audit_order(corpus, ordinal=ordinal),
        *audit_repeats(corpus),
        *audit_attributes(corpus),
    ]


def audit_target(target: Target, prompts: Sequence[str], users: Path | None) -> list[Finding]:
    """The findings of all checks.

    Args:
        target: the corpus and the artefacts made from it.
        prompts: folders of prompt files, besides the shipped one and those of the target.
        users: a table of user profiles.

    Raises:
        UserError: a table or a prompt file cannot be read.
    """
    corpus, log = target.corpus, target.log
    findings = audit_corpus(corpus, ordinal=target.ordinal, seen=target.seen)
    for name, codes in target.codes.items():
        findings += audit_codes(corpus, codes, name)
    if users is not None:
        findings += audit_profiles(corpus, users)
    strings = [f"<{row}>" for row in range(len(corpus.catalog))]  # names of items without codes
    if target.codes:
        strings = item_strings(next(iter(target.codes.values())))
    titles = corpus.catalog.titles
    for config in target.prompts or [PromptsConfig()]:
        names = item_names(config.items, strings, titles)
        view = CorpusView(corpus, names, shape=config.tree, knowledge=config.read_knowledge())
        folders = [Path(folder) for folder in (*config.folders, *prompts)]
        findings += audit_prompts(view, PromptLibrary.load(extra=folders), config)
    if log is not None:
        findings = with_file_rows(findings, log.events, 1 if log.ordinal else 1_000_000)
        if not log.ordinal and log.files:
            findings += audit_file_order(log.events)
    return findings
