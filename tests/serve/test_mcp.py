"""The server of the Model Context Protocol: in memory, over HTTP without a socket, over stdio."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("mcp")
from mcp import Client

import p5rec
from p5rec.serve.mcp import PATH, build_server
from p5rec.serve.model_tools import ServedModel

READ = {
    "search_catalog", "filter_catalog", "lookup_catalog", "get_product", "calculate",
    "recommend_items", "explain_recommendation", "get_profile",
}  # fmt: skip
WRITE = {"record_feedback", "edit_profile"}


def with_client(served: ServedModel, work: Callable[[Client], Any], **settings: Any) -> Any:
    """The result of ``work`` with a client in memory."""

    async def run() -> Any:
        async with Client(build_server(served.toolbox, **settings)) as client:
            return await work(client)

    return anyio.run(run)


def test_tools_only_read_unless_writes_are_allowed(served: ServedModel) -> None:
    async def listed(client: Client) -> Any:
        return (await client.list_tools()).tools

    tools = with_client(served, listed)
    assert {tool.name for tool in tools} == READ
    assert all(tool.annotations.read_only_hint for tool in tools)
    assert all(tool.input_schema["additionalProperties"] is False for tool in tools)
    every = with_client(served, listed, allow_writes=True)
    assert {tool.name for tool in every if not tool.annotations.read_only_hint} == WRITE

    async def write(client: Client) -> Any:
        return await client.call_tool("record_feedback", {"user": "u1", "item": "A-1"})

    refused = with_client(served, write)
    assert refused.is_error
    assert "expected the name of a tool" in refused.content[0].text
    assert not served.feedback.path.exists()
    assert not with_client(served, write, allow_writes=True).is_error
    assert served.feedback.path.exists()


def test_results_are_rows_and_errors_are_text(served: ServedModel) -> None:
    async def work(client: Client) -> Any:
        arguments = {"user": "u1", "k": 3, "wish": "something red"}
        return [
            await client.call_tool("recommend_items", arguments),
            await client.call_tool("get_product", {"id": "A-99"}),
            await client.call_tool("recommend_items", {"user": "u1", "n": 3}),
        ]

    lists, unknown, extra = with_client(served, work)
    rows = lists.structured_content["rows"]
    assert rows == json.loads(lists.content[0].text)
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert unknown.is_error
    assert "expected the id of an item, got 'A-99'" in unknown.content[0].text
    assert extra.is_error
    assert "n" in extra.content[0].text


def test_calls_at_the_same_time_do_not_mix(served: ServedModel) -> None:
    async def work(client: Client) -> Any:
        results: dict[str, Any] = {}

        async def ask(user: str) -> None:
            results[user] = await client.call_tool("recommend_items", {"user": user, "k": 3})

        async with anyio.create_task_group() as group:
            for n in range(8):
                group.start_soon(ask, f"u{n}")
        return results

    for user, result in with_client(served, work).items():
        own = served.model.recommend(users=[user], k=3)["item"].to_list()
        assert [row["item"] for row in result.structured_content["rows"]] == own


def test_http_answers_on_the_loopback_address_alone(served: ServedModel) -> None:
    from starlette.testclient import TestClient

    app = build_server(served.toolbox).streamable_http_app(
        streamable_http_path=PATH, json_response=True, stateless_http=True
    )
    call = {
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "calculate", "arguments": {"expression": "6 * 7"}},
    }  # fmt: skip
    headers = {"accept": "application/json, text/event-stream"}
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        answer = client.post(PATH, json=call, headers=headers)
        assert answer.json()["result"]["structuredContent"] == {"rows": [{"value": 42.0}]}
        elsewhere = client.post(PATH, json=call, headers={**headers, "host": "example.org"})
        assert elsewhere.status_code == 421


def test_import_of_p5rec_does_not_import_it() -> None:
    code = "import p5rec, p5rec.api.model, sys; assert 'mcp' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.nightly
def test_stdio_serves_a_model_folder(served: ServedModel, tmp_path: Path) -> None:
    from mcp.client.stdio import StdioServerParameters

    events, items = tmp_path / "log.csv", tmp_path / "items.csv"
    served.dataset.events.drop("split").write_csv(events)
    served.dataset.items.drop("events").write_csv(items)
    config = tmp_path / "my.yaml"
    config.write_text(
        f"data: {{source: table, path: {events}, items: {{path: {items}, columns: "
        "{attributes: {colour: colour}}}}\n"
    )
    code = "from p5rec.cli.main import main; main()"
    words = ["-c", code, "mcp", str(served.model.folder), "--config", str(config)]
    server = StdioServerParameters(command=sys.executable, args=words)

    async def run() -> Any:
        async with Client(server) as client:
            return await client.call_tool("recommend_items", {"user": "u1", "k": 2})

    rows = anyio.run(run).structured_content["rows"]
    own = served.model.recommend(users=["u1"], k=2)["item"].to_list()
    assert [row["item"] for row in rows] == own


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from p5rec.cli.mcp import mcp

    monkeypatch.delitem(sys.modules, "p5rec.serve.mcp")
    monkeypatch.setitem(sys.modules, "mcp_types", None)
    with pytest.raises(p5rec.UserError, match=r"pip install 'p5rec\[mcp\]'"):
        mcp(tmp_path)
