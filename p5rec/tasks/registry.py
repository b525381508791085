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
        "next-list": "p5rec.tasks.lists:NEXT_LIST",
        "candidate-list": "p5rec.tasks.lists:CANDIDATE_LIST",
        "direct": "p5rec.tasks.direct:DIRECT",
        "explanation": "p5rec.tasks.explanation:EXPLANATION",
        "review": "p5rec.tasks.reviews:REVIEW",
        "summary": "p5rec.tasks.reviews:SUMMARY",
        "describe-item": "p5rec.tasks.describe:DESCRIBE_ITEM",
        "describe-user": "p5rec.tasks.describe:DESCRIBE_USER",
        "item-text-to-id": "p5rec.tasks.items:TEXT_TO_ID",
        "item-id-to-text": "p5rec.tasks.items:ID_TO_TEXT",
    },
)
