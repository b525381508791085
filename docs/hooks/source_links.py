"""Links to files of the repository that work in a clone and on the site.

A page links to the file that a generated page is made from. The site replaces the link by one to
the generated page.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

LINK = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")
DOCS = "docs"


def linked(markdown: str, page: str, targets: Mapping[str, str]) -> str:
    """``markdown`` with links to generated pages in place of those to their sources.

    Args:
        markdown: the text of a page.
        page: its path below ``docs/``.
        targets: path in the repository, and an anchor if needed → path below ``docs/`` of the
            generated page, and an anchor. A page's links to its own source do not change.
    """
    folder = posixpath.dirname(page)

    def link(match: re.Match[str]) -> str:
        source = posixpath.normpath(posixpath.join(DOCS, folder, match[1]))
        target = targets.get(source, "")
        if not target or target.partition("#")[0] == page:
            return match[0]
        return f"]({posixpath.relpath(target, folder or '.')})"

    return LINK.sub(link, markdown)
