"""What a simulated user says, and the words of the system. Half of the user's phrasings are held
out of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Half = Literal["training", "held-out"]

# a speech act → phrasings; those with an odd number are held out
USER: Mapping[str, tuple[str, ...]] = {
    "open": (
        "I am looking for something new.", "I am looking for a good one.",
        "Can you suggest something?", "Could you suggest one to me?",
        "Any ideas for tonight?", "Do you have any ideas?",
        "Recommend me something.", "Please recommend one.",
    ),
    "want": (
        "{value}, please.", "{value} today, please.",
        "I would like {value}.", "Today I would like {value}.",
        "I want {value}.", "What I want is {value}.",
        "It should be {value}.", "Maybe it should be {value}.",
        "I am in the mood for {value}.", "My mood is {value}.",
    ),
    "avoid": (
        "No {value}, please.", "No {value} for me.",
        "I do not want {value}.", "I do not like {value} today.",
        "Anything but {value}.", "Everything but {value}.",
        "Please leave out {value}.", "You can leave out {value}.",
        "Something without {value}.", "Without {value}, I hope.",
    ),
    "open to all": (
        "I do not mind.", "I really do not mind.",
        "No preference.", "There I have no preference.",
        "Anything is fine.", "Anything would be fine.",
        "Up to you.", "That is up to you.",
    ),
    "reject": (
        "None of these.", "None of them, sorry.",
        "No, thanks.", "Thanks, but no.",
        "Something else.", "Show me something else.",
        "I know those already.", "Those I know.",
    ),
    "accept": (
        "Yes, {title}!", "I take {title}.", "{title} it is.", "{title} is what I wanted.",
        "Great, {title}.", "Perfect: {title}.", "{title}, thank you.", "I will go for {title}.",
    ),
}  # fmt: skip
# before a sentence; "" is the most frequent
FILLERS: Mapping[Half, tuple[str, ...]] = {
    "training": ("", "", "Well... ", "Oh... "),
    "held-out": ("", "", "Hmm... ", "So... "),
}
ASK = ("Which {topic}?", "What {topic}?")
RESPOND = ("How about these?", "Maybe these?")


def phrasings(act: str, half: Half) -> tuple[str, ...]:
    """The phrasings of a speech act in one half."""
    return USER[act][half == "held-out" :: 2]


def questions(topic: str) -> tuple[str, ...]:
    """The system's questions about a topic."""
    return tuple(each.format(topic=topic) for each in ASK)
