"""A tool: a name, a description, strict arguments, and a function to rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from p5rec.core.config import Config, bind
from p5rec.core.errors import did_you_mean, input_error

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Tool:
    """A tool.

    Attributes:
        name: by which it is called.
        description: one sentence for a caller that chooses among tools.
        arguments: the schema of its arguments.
        run: arguments → rows of plain values.
        writes: it changes a file; others only read.
    """

    name: str
    description: str
    arguments: type[Config]
    run: Callable[[Any], Rows]
    writes: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments; unknown ones are not allowed."""
        return self.arguments.model_json_schema()

    def __call__(self, arguments: Mapping[str, Any]) -> Rows:
        """The rows for ``arguments``.

        Raises:
            UserError: an argument is missing, unknown or invalid, or the tool refuses them.
        """
        return self.run(bind(self.arguments, dict(arguments), {}, self.name))


class Toolbox(Mapping[str, Tool]):
    """Tools by name.

    Args:
        tools: with different names.
    """

    def __init__(self, tools: Iterable[Tool]) -> None:
        listed = list(tools)
        self._tools = {tool.name: tool for tool in listed}
        if len(self._tools) < len(listed):
            raise ValueError("expected tools with different names")

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __iter__(self) -> Any:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def call(self, name: str, arguments: Mapping[str, Any]) -> Rows:
        """The rows of a tool by name.

        Raises:
            UserError: there is no such tool, or it refuses the arguments.
        """
        if name not in self._tools:
            todo = did_you_mean(name, self._tools)
            raise input_error("tool", "the name of a tool", repr(name), todo)
        return self._tools[name](arguments)

    def reading(self) -> Toolbox:
        """The tools that only read."""
        return Toolbox(tool for tool in self._tools.values() if not tool.writes)
