"""Tasks by name. A new task needs one file and one line here."""

from __future__ import annotations

from p5rec.core.registry import Registry

TASKS = Registry(
    "task",
    {
        "rating": "p5rec.tasks.rating:RATING",
        "click": "p5rec.tasks.click:CLICK",
        "sequential-next": "p5rec.tasks.sequential:NEXT",
        "sequential-candidates": "p5rec.tasks.sequential:CANDIDATES",
        "sequential-yesno": "p5rec.tasks.sequential:YESNO",
        "dialogue": "p5rec.tasks.dialogue:DIALOGUE",
        "masked-items": "p5rec.tasks.masked_items:MASKED_ITEMS",
        "masked-words": "p5rec.tasks.masked_words:MASKED_WORDS",
        "preference": "p5rec.tasks.preference:PREFERENCE",
        "next-list": "p5rec.tasks.lists:NEXT_LIST",
        "candidate-list": "p5rec.tasks.lists:CANDIDATE_LIST",
        "direct": "p5rec.tasks.direct:DIRECT",
        "item-tree": "p5rec.tasks.item_tree:ITEM_TREE",
        "explanation": "p5rec.tasks.explanation:EXPLANATION",
        "review": "p5rec.tasks.reviews:REVIEW",
        "summary": "p5rec.tasks.reviews:SUMMARY",
        "describe-item": "p5rec.tasks.describe:DESCRIBE_ITEM",
        "describe-user": "p5rec.tasks.describe:DESCRIBE_USER",
        "item-text-to-id": "p5rec.tasks.items:TEXT_TO_ID",
        "item-id-to-text": "p5rec.tasks.items:ID_TO_TEXT",
        "point-title": "p5rec.tasks.points:TITLE",
        "point-values": "p5rec.tasks.points:VALUES",
        "point-decade": "p5rec.tasks.points:DECADE",
        "point-has": "p5rec.tasks.points:HAS",
        "point-more": "p5rec.tasks.points:MORE",
        "point-shared": "p5rec.tasks.points:SHARED",
        "point-apart": "p5rec.tasks.points:APART",
        "point-neighbours": "p5rec.tasks.points:NEAR",
        "point-midpoint": "p5rec.tasks.points:MIDPOINT",
        "point-description": "p5rec.tasks.points:DESCRIPTION",
        "point-audience": "p5rec.tasks.points:AUDIENCE",
        "point-taste": "p5rec.tasks.points:TASTE",
        "point-reasons": "p5rec.tasks.points:REASONS",
    },
)
