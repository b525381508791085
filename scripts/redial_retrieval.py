"""Films that people recommend in human dialogues, found by the ways of retrieval of RecLLM.

    python scripts/redial_retrieval.py FOLDER_OF_REDIAL FOLDER_OF_MOVIELENS [--json FILE]

The catalogue is the films named in training dialogues and those of MovieLens, by title and year. A
test instance is a film that a person recommends in a validation dialogue and that nobody has named
before in it. R@10 with a paired bootstrap over dialogues against popularity.

The text of a film is its title, its genres and the words around its mentions in training dialogues.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from p5rec.backbones.encoder import encode
from p5rec.core.artefacts import write_json
from p5rec.core.rng import id_keys
from p5rec.methods.systems.recllm.catalogue import DialogueCatalogue
from p5rec.methods.systems.recllm.retrieval import TextSearch, VectorSearch
from p5rec.metrics.intervals import bootstrap, mean_of
from p5rec.tasks.dialogues.dialogue import Query
from p5rec.tasks.dialogues.steps import State
from p5rec.tasks.topics import Topics

MENTION = re.compile(r"@(\d+)")
ARTICLE = re.compile(r"^(.*), (The|A|An)( \(\d{4}\))?$")
K, AROUND, FUSED = 10, 2, 60  # length of lists, messages around a mention, fusion constant
TOKENS = 64  # of a film's text that the dual encoder reads, at most


class Asked(NamedTuple):
    """A test instance.

    Attributes:
        dialogue: its number.
        words: of the messages before.
        named: films named before.
        film: the recommended film.
        known: the film is named in training dialogues.
    """

    dialogue: int
    words: str
    named: list[int]
    film: int
    known: bool


def title_of(title: str) -> str:
    """A title with its year, without case, article first, as both sources can be compared."""
    squeezed = " ".join(title.split())
    if match := ARTICLE.match(squeezed):
        squeezed = f"{match[2]} {match[1]}{match[3] or ''}"
    return squeezed.casefold()


def read(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def films(training: Sequence[dict[str, Any]], movielens: Path) -> tuple[list[str], list[list[str]]]:
    """Titles and genres of the catalogue; films of training dialogues first."""
    genres: dict[str, list[str]] = {}
    for each in training:
        for title in (each["movieMentions"] or {}).values():
            genres.setdefault(title_of(title), [])
    movies = pl.read_csv(movielens / "movies.csv.gz", columns=["title", "genres"])
    for title, names in movies.iter_rows():
        genres[title_of(title)] = [name for name in names.split("|") if name[0] != "("]
    return list(genres), list(genres.values())


def mentions(dialogue: dict[str, Any], row: dict[str, int]) -> dict[str, int]:
    """Number of a film in a dialogue → its row, for films of the catalogue."""
    own = {number: title_of(title) for number, title in (dialogue["movieMentions"] or {}).items()}
    return {number: row[title] for number, title in own.items() if title in row}


def instances(
    dialogues: Sequence[dict[str, Any]], row: dict[str, int], known: set[int]
) -> tuple[list[Asked], int]:
    """The test instances, and the number of recommended new films outside of the catalogue."""
    found, outside = [], 0
    for number, dialogue in enumerate(dialogues):
        films_of, answers = mentions(dialogue, row), dialogue["respondentQuestions"] or {}
        words, named = [], dict[str, None]()
        for message in dialogue["messages"]:
            recommends = message["senderWorkerId"] == dialogue["respondentWorkerId"]
            for film in dict.fromkeys(MENTION.findall(message["text"])):
                new = recommends and film not in named and answers.get(film, {}).get("suggested")
                if new and film in films_of:
                    seeds = [films_of[each] for each in named if each in films_of]
                    target = films_of[film]
                    found.append(Asked(number, " ".join(words), seeds, target, target in known))
                elif new:
                    outside += 1
            named |= dict.fromkeys(MENTION.findall(message["text"]))
            words.append(MENTION.sub(" ", message["text"]))
    return found, outside


def texts_of(
    training: Sequence[dict[str, Any]], row: dict[str, int], genres: Sequence[Sequence[str]]
) -> list[str]:
    """Title, genres, and the words around each film's mentions in training dialogues."""
    around: dict[int, list[str]] = defaultdict(list)
    for dialogue in training:
        films_of, messages = mentions(dialogue, row), [m["text"] for m in dialogue["messages"]]
        for at, text in enumerate(messages):
            near = " ".join(messages[max(0, at - AROUND) : at + AROUND + 1])
            for film in {films_of[n] for n in MENTION.findall(text) if n in films_of}:
                around[film].append(MENTION.sub(" ", near))
    return [" ".join([title, *genres[n], *around[n]]) for title, n in row.items()]


def together(training: Sequence[dict[str, Any]], row: dict[str, int]) -> np.ndarray:
    """``(N, N)``: cosine of the training dialogues that name each pair of films."""
    named = np.zeros((len(training), len(row)), dtype=np.float32)
    for number, dialogue in enumerate(training):
        named[number, list(set(mentions(dialogue, row).values()))] = 1
    norms = np.sqrt(named.sum(axis=0)).clip(1)
    cosines: np.ndarray = (named.T @ named) / np.outer(norms, norms)
    return cosines


def ranks(scores: np.ndarray) -> np.ndarray:
    """``(B, N)``: the rank of each film from 0; films without a score share the last."""
    order = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    return np.where(scores > 0, order, scores.shape[1])


def fused(*scores: np.ndarray) -> np.ndarray:
    """Reciprocal rank fusion (Cormack et al., SIGIR 2009)."""
    return np.asarray(sum(1 / (FUSED + 1 + ranks(each)) for each in scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("redial", type=Path)
    parser.add_argument("movielens", type=Path)
    parser.add_argument("--vectors", action="store_true", help="with the dual encoder, in minutes")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    training = read(options.redial / "train.jsonl.gz")
    titles, genres = films(training, options.movielens)
    row = {title: n for n, title in enumerate(titles)}
    counts = Counter(n for each in training for n in set(mentions(each, row).values()))
    asked, outside = instances(read(options.redial / "valid.jsonl.gz"), row, set(counts))
    texts = texts_of(training, row, genres)
    topics = Topics.of([(("genres", tuple(own)),) if own else () for own in genres])
    catalogue = DialogueCatalogue(titles, titles, texts, topics, id_keys(titles))
    queries = [Query(State(tuple((n, True) for n in topics.mentioned(a.words))), a.words)
               for a in asked]  # fmt: skip
    popular = np.array([counts.get(n, 0) for n in range(len(titles))], dtype=np.float64)
    popular = np.broadcast_to(popular, (len(asked), len(titles)))
    cosines, seeds = together(training, row), np.zeros((len(asked), len(titles)), np.float32)
    for own, each in zip(seeds, asked, strict=True):
        own[each.named] = 1
    scores = {
        "popularity": popular,
        "text": TextSearch.of(catalogue).relevance(queries),
        "named together": seeds @ cosines,
    }
    if options.vectors:
        encoded = partial(encode, download=True)
        search = VectorSearch(topics, encoded(texts, max_tokens=TOKENS), encoded)
        scores["vectors"] = search.relevance(queries)
    scores["fused"] = fused(*scores.values())
    report(scores, asked, outside, len(titles), options.json)


def report(
    scores: dict[str, np.ndarray],
    asked: Sequence[Asked],
    outside: int,
    n_films: int,
    path: Path | None,
) -> None:
    """Prints R@10 of each way, and its difference to popularity, on all, known and new films."""
    dialogues, known = (np.array([each[n] for each in asked]) for n in (0, 4))
    targets = np.array([each.film for each in asked])
    hits = {}
    for name, values in scores.items():
        own = np.array(values, dtype=np.float64)
        for line, each in zip(own, asked, strict=True):
            line[each.named] = -np.inf
        best = np.argsort(-own, axis=1, kind="stable")[:, :K]
        hits[name] = (best == targets[:, None]).any(axis=1).astype(np.float64)
    print(
        f"{len(asked)} instances of {len({*dialogues.tolist()})} dialogues, {int(known.sum())} of "
        f"films known from training; {outside} films outside of the catalogue of {n_films}"
    )
    found: dict[str, Any] = {"instances": len(asked), "outside": outside, "films": n_films}
    for name, own in hits.items():
        lines = {}
        for part, rows in {"all": known | ~known, "known": known, "new": ~known}.items():
            if rows.any():
                pair = np.stack([own, own - hits["popularity"]], axis=1)[rows]
                value, gain = bootstrap(mean_of(pair), dialogues[rows], seed=0)
                lines[part] = [[each.value, each.low, each.high] for each in (value, gain)]
        found[name] = lines
        print(name, {part: [[round(x, 4) for x in each] for each in own]
                     for part, own in lines.items()})  # fmt: skip
    if path is not None:
        write_json(path, found)


if __name__ == "__main__":
    main()
