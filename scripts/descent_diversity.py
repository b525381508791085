"""The re-ranking of a saved UniLLMRec by the weight of similarity, on validation users.

python scripts/descent_diversity.py runs/unillmrec/models/tuned [--weights 0 0.1 0.4] [--users N]

The items are reached once; each weight ranks them again. The model needs ``vectors``. The data are
those of the config (``--config``, by default that of the system).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from p5rec.cli.inputs import read_sections
from p5rec.data.build import build
from p5rec.data.split import instances
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.methods.folder import check_items, read_method
from p5rec.methods.systems.unillmrec.rankers import Cost
from p5rec.metrics.beyond import intra_list_diversity
from p5rec.metrics.ranking import per_user
from p5rec.report.markdown import table

K = 10


def main() -> None:
    """Prints a Markdown table of NDCG@10, HR@10 and diversity by weight."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--config", default="unillmrec")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 0.05, 0.1, 0.2, 0.4])
    parser.add_argument("--users", type=int, default=None, help="validation users; default: all")
    args = parser.parse_args()
    corpus = build(read_sections(args.config).data)[0]
    check_items(args.model, corpus)
    predictor = read_method(args.model).load(args.model)
    histories, targets, _ = instances(corpus.interactions, corpus.split, "valid")
    users = np.arange(len(histories))[: args.users]
    histories, targets = histories.take(users), targets[users]
    unseen, cost = Allowed(deny=ItemLists.seen(histories)), Cost()
    reached = predictor.reached(histories, K, unseen, cost)
    rows = []
    for weight in args.weights:
        method = predictor.method.model_copy(update={"diversity": weight})
        items = replace(predictor, method=method).ranked(reached, K)[0]
        values = per_user(items, targets, (K,))
        diversity = np.nanmean(intra_list_diversity(items, predictor.vectors))
        means = (values["NDCG@10"].mean(), values["HR@10"].mean(), diversity)
        rows.append([f"{weight:g}", *(f"{mean:.4f}" for mean in means)])
    prompts, tokens = cost.prompts / len(users), cost.tokens / len(users)
    print(f"{len(users)} users, {prompts:.1f} prompts and {tokens:,.0f} tokens each\n")
    print(*table(("weight", "NDCG@10", "HR@10", "intra-list diversity"), rows), sep="\n")


if __name__ == "__main__":
    main()
