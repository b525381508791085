"""The hooks of mkdocs: they generate pages from the code, the notebook and the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import command_page
import config_pages
import notebook_page
import prompt_page
import python_page
import recipe_page
import result_pages
import source_links
import system_page
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# each returns path below docs/ → text of the page
GENERATORS: tuple[Callable[[], Mapping[str, str]], ...] = (
    config_pages.pages,
    command_page.pages,
    python_page.pages,
    prompt_page.pages,
    recipe_page.pages,
    notebook_page.pages,
    result_pages.pages,
)


SOURCES = {
    source: page
    for module in (
        config_pages, command_page, python_page, prompt_page, recipe_page, notebook_page
    )
    for source, page in module.sources().items()
}  # fmt: skip


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    for pages in GENERATORS:
        for path, text in pages().items():
            files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to generated pages; adds the table of systems, and a short report's full report."""
    markdown = source_links.linked(markdown, page.file.src_uri, SOURCES)
    if page.file.src_uri == system_page.PAGE:
        return system_page.filled(markdown)
    if page.file.src_uri in result_pages.texts():
        name = page.file.src_uri.split("/")[-2]
        link = f"[The full report]({result_pages.PAGE}) has examples and every figure."
        return markdown.replace("# Report\n", f"# Report of `{name}`\n\n{link}\n", 1)
    return markdown
