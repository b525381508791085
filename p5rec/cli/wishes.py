"""The options of a wish: a sentence that moves ranked lists."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p5rec.core.errors import UserError
from p5rec.core.terminal import printable

if TYPE_CHECKING:
    from p5rec.core.types import Catalog
    from p5rec.tasks.wishes.wish import Wish


@dataclass(frozen=True)
class WishOptions:
    """A wish that moves the lists of all users."""

    wish: Annotated[
        str | None,
        typer.Option(
            help='For lists: a sentence that moves them: "something lighter, no horror". What was '
            "understood is printed."
        ),
    ] = None
    wish_vectors: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Stored vectors of the items' texts, for words of a wish that name no value of an "
            "attribute. Default: such words must stand in titles.",
        ),
    ] = None

    def check(self, what: str) -> None:
        """
        Raises:
            UserError: there is a wish for other predictions than lists, or vectors without a wish.
        """
        if self.wish is not None and what != "lists":
            raise UserError(f"expected --wish with --what lists, got --what {what}; leave it out")
        if self.wish is None and self.wish_vectors is not None:
            raise UserError("expected --wish-vectors with --wish, got no wish; write one")

    def understood(self, catalog: Catalog) -> Wish | None:
        """The wish over the items of ``catalog``, printed to stderr; None: there is none.

        Raises:
            UserError: nothing was understood.
        """
        if self.wish is None:
            return None
        from p5rec.tasks.wishes.parse import parse_wish
        from p5rec.tasks.wishes.vocabulary import Vocabulary

        similarity = None
        if self.wish_vectors is not None:
            from p5rec.recommend.steering.similar import text_similarity

            similarity = text_similarity(self.wish_vectors, catalog)
        wish = parse_wish(self.wish, Vocabulary(catalog), similarity)
        print(printable(str(wish)), file=sys.stderr)
        return wish

    def key(self) -> dict[str, Any]:
        """What the predictions depend on; empty without a wish."""
        if self.wish is None:
            return {}
        from p5rec.methods.folder import contents

        vectors = contents(self.wish_vectors) if self.wish_vectors else None
        return {"wish": self.wish, "wish_vectors": vectors}

    def search_length(self, k: int) -> int:
        """The length of the lists that the model's search makes, for lists of ``k`` items."""
        if self.wish is None:
            return k
        from p5rec.recommend.steering.steer import depth_of

        return depth_of(k)
