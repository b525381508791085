"""Tools as a server of the Model Context Protocol (SDK ``mcp`` 2, extra ``p5rec[mcp]``)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import anyio
import mcp_types as types
from mcp.server import Server
from mcp.server.stdio import stdio_server

import p5rec
from p5rec.core.errors import UserError
from p5rec.recommend.tools.tool import Rows, Tool, Toolbox

NAME = "p5rec"
LOOPBACK = "127.0.0.1"
PATH = "/mcp"


def build_server(toolbox: Toolbox, *, allow_writes: bool = False) -> Server[Any]:
    """A server with the tools of ``toolbox``.

    Tools run one after the other, in a thread beside the event loop. A user error becomes the text
    of a result that is marked as an error, so that a caller can correct itself.

    Args:
        toolbox: the tools.
        allow_writes: offer also the tools that write.
    """
    offered = toolbox if allow_writes else toolbox.reading()
    one_at_a_time = anyio.Lock()

    async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(tool) for tool in offered.values()])

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        arguments: Mapping[str, Any] = params.arguments or {}
        async with one_at_a_time:
            try:
                rows = await anyio.to_thread.run_sync(offered.call, params.name, arguments)
            except UserError as error:
                return _result(str(error), None)
        return _result(json.dumps(rows, ensure_ascii=False), rows)

    instructions = "Recommendations of one model over one catalogue. Ids are those of its data."
    return Server(
        NAME, version=p5rec.__version__, instructions=instructions,
        on_list_tools=list_tools, on_call_tool=call_tool,
    )  # fmt: skip


def serve_stdio(server: Server[Any]) -> None:
    """Serves one client over standard input and output until it closes them."""

    async def run() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(run)


def serve_http(server: Server[Any], port: int) -> None:
    """Serves clients on this machine over HTTP, at ``http://127.0.0.1:PORT/mcp``."""
    import uvicorn

    logging.getLogger("mcp").setLevel(logging.WARNING)
    app = server.streamable_http_app(streamable_http_path=PATH, host=LOOPBACK)
    uvicorn.run(app, host=LOOPBACK, port=port, log_level="warning")


def _described(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.schema,
        output_schema={
            "type": "object",
            "properties": {"rows": {"type": "array", "items": {"type": "object"}}},
            "required": ["rows"],
        },
        annotations=types.ToolAnnotations(
            read_only_hint=not tool.writes, destructive_hint=tool.writes, open_world_hint=False
        ),
    )


def _result(text: str, rows: Rows | None) -> types.CallToolResult:
    """The rows as text and as structured content; without rows the text is an error."""
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)],
        structured_content=None if rows is None else {"rows": rows},
        is_error=rows is None,
    )
