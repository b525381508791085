"""The leaks that published code has, looked for in a corpus.

Numbers in front of the checks are those of the project's measuring rules: 1 ids in order of
appearance, 2 the target in a text (prompts are looked at where they are rendered,
``p5rec.prompting.audit``), 3 things learned from held-out events (see also
:mod:`p5rec.data.lineage_audit`), 4 order by id.
"""

from __future__ import annotations

from p5rec.core.types import Corpus

from .chronology_audit import audit_ids
from .findings import Finding
from .order_audit import audit_order
from .repeats_audit import audit_repeats
from .side_audit import audit_attributes


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
