"""Texts of an OpenAI-compatible endpoint: a local server stands for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from small_corpora import make_view

from p5rec.core.artefacts import read_json
from p5rec.core.errors import UserError
from p5rec.core.examples import Example
from p5rec.data.stored_texts import ABOUT, StoredTexts
from p5rec.recommend.writing import http_client, write
from p5rec.recommend.writing.config import TextsConfig
from p5rec.recommend.writing.endpoint import Endpoint
from p5rec.recommend.writing.port import Answer, Assignment, Request

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
SECRET = "sk-very-secret"
Respond = Callable[[int, dict[str, Any]], tuple[int, Any, dict[str, str]]]


def completion(text: str | None, **usage: int) -> tuple[int, Any, dict[str, str]]:
    return 200, {"choices": [{"message": {"content": text}}], "usage": usage}, {}


class Server:
    """A chat endpoint on this machine; ``respond`` maps the number and the body of a request to
    a status, a body and headers."""

    def __init__(self) -> None:
        self.respond: Respond = lambda n, body: completion(
            f"About {body['messages'][-1]['content'][:20]}", prompt_tokens=7, completion_tokens=3
        )
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.paths: list[str] = []
        self._lock = Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server._lock:
                    server.bodies.append(body)
                    server.keys.append(self.headers["Authorization"])
                    server.paths.append(self.path)
                    number = len(server.bodies)
                status, answer, headers = server.respond(number, body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    """The pauses between tries, which the tests do not wait for; a cache of the test's own."""
    seen: list[float] = []
    monkeypatch.setattr(http_client.time, "sleep", seen.append)
    monkeypatch.setenv("P5REC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SOME_KEY", SECRET)
    return seen


def config(server: Server, **settings: Any) -> Endpoint:
    return Endpoint(url=server.url, model="some-model", key_variable="SOME_KEY", **settings)


def ask(endpoint: Endpoint, *prompts: str) -> list[Answer]:
    writer = endpoint.open(Assignment("items", [], make_view().corpus.catalog))
    return writer.write([Request(p, Example(p, "", "t", "t.t.v1")) for p in prompts])


def texts_of(server: Server, tmp_path: Path, name: str, **settings: Any) -> StoredTexts:
    section = TextsConfig(
        of="items", family="describe-item", generator=config(server, **settings), sample=10
    )
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    corpus = make_view().corpus
    np.save(folder / "lineage.npy", write.write_texts(section, corpus, None, folder).events)
    return StoredTexts.read(folder)


def test_a_request_and_its_answer(server: Server) -> None:
    (answer,) = ask(config(server, body={"seed": 1, "temperature": None}), "What is it?")
    assert (answer.text, answer.prompt_tokens, answer.new_tokens) == ("About What is it?", 7, 3)
    assert answer.seconds > 0
    assert server.paths == ["/v1/chat/completions"]
    assert server.bodies == [
        {
            "model": "some-model",
            "messages": [{"role": "user", "content": "What is it?"}],
            "max_tokens": 256,
            "seed": 1,
        }
    ]
    assert server.keys == [f"Bearer {SECRET}"]


def test_answers_come_in_order_and_are_cached_one_by_one(server: Server, tmp_path: Path) -> None:
    prompts = [f"prompt {n}" for n in range(20)]
    first = ask(config(server), *prompts)
    assert [answer.text for answer in first] == [f"About {prompt}" for prompt in prompts]
    assert len(server.bodies) == 20
    again = ask(config(server), *prompts, "prompt 20")
    assert again[:20] == first
    assert len(server.bodies) == 21
    ask(config(server, max_new_tokens=5), "prompt 0")
    assert len(server.bodies) == 22, "another question"
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert SECRET not in path.read_text()
        assert "prompt" not in path.read_text().replace("prompt_tokens", "").replace("About p", "")


def test_sampled_answers_belong_to_a_seed_and_an_entity(server: Server) -> None:
    catalog, example = make_view().corpus.catalog, Example("prompt", "", "t", "t.t.v1")
    for seed, entities in ((0, "aba"), (1, "a"), (0, "ab")):
        writer = config(server, temperature=1.0).open(Assignment("items", [], catalog, seed=seed))
        writer.write([Request(entity, example) for entity in entities[:1]])
        writer.write([Request(entity, example) for entity in entities[1:]])
    assert len(server.bodies) == 3


def test_texts_of_an_endpoint(server: Server, tmp_path: Path) -> None:
    stored = texts_of(server, tmp_path, "one")
    assert len(stored.usable()[0]) == 10
    about = read_json(tmp_path / "one" / ABOUT)
    assert (about["prompt_tokens"], about["new_tokens"], about["cached_answers"]) == (70, 30, 0)
    same = texts_of(server, tmp_path, "two")
    assert same.table["text"].equals(stored.table["text"])
    assert len(server.bodies) == 10
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


def test_an_interrupted_run_asks_for_the_others_only(server: Server, tmp_path: Path) -> None:
    respond = server.respond
    server.respond = lambda n, body: (400, {}, {}) if n == 6 else respond(n, body)
    with pytest.raises(UserError, match="got status 400"):
        texts_of(server, tmp_path, "cut", parallel=1)
    server.respond = respond
    stored = texts_of(server, tmp_path, "cut", parallel=1)
    assert len(stored.usable()[0]) == 10
    assert len(server.bodies) == 6 + 5


def test_passing_failures_are_repeated_with_growing_pauses(
    server: Server, pauses: list[float]
) -> None:
    failures = [
        (429, {"error": {"message": "slow down"}}, {"Retry-After": "7"}),
        (503, b"busy", {}),
        (200, b"no json", {}),
        (200, {"choices": []}, {}),
    ]
    respond = server.respond
    server.respond = lambda n, body: failures[n - 1] if n <= 4 else respond(n, body)
    assert ask(config(server), "a")[0].text == "About a"
    assert pauses == [7.0, 2.0, 4.0, 8.0]


def test_lasting_failures_are_one_line(server: Server, pauses: list[float]) -> None:
    server.respond = lambda n, body: (500, {"error": "down\n for now"}, {})
    with pytest.raises(UserError, match=r"got status 500 \(down for now\) in 3 tries; run again"):
        ask(config(server, retries=2), "a")
    assert pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    ("status", "todo"), [(401, "check the key in the variable"), (404, "check generator.url")]
)
def test_refusals_are_not_repeated_and_name_no_key(
    server: Server, pauses: list[float], status: int, todo: str
) -> None:
    message = {"error": {"message": f"wrong key {SECRET}"}}
    server.respond = lambda n, body: (status, message, {})
    with pytest.raises(UserError, match=todo) as caught:
        ask(config(server), "a")
    assert SECRET not in str(caught.value)
    assert not pauses
    assert len(server.bodies) == 1


def test_a_redirect_does_not_get_the_key(server: Server) -> None:
    server.respond = lambda n, body: (302, b"", {"Location": f"{server.url}/elsewhere"})
    with pytest.raises(UserError, match="got status 302"):
        ask(config(server), "a")
    assert len(server.bodies) == 1


def test_no_connection_is_one_line(server: Server) -> None:
    server.http.server_close()
    with pytest.raises(UserError, match="in 2 tries"):
        ask(config(server, retries=1), "a")
    server.http = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    Thread(target=server.http.serve_forever, daemon=True).start()


def test_uncounted_tokens_and_empty_answers(server: Server) -> None:
    server.respond = lambda n, body: (200, {"choices": [{"message": {"content": None}}]}, {})
    assert ask(config(server), "a")[0].text is None
    server.respond = lambda n, body: completion(" x ")
    assert ask(config(server), "a")[0].text == "x", "a refusal is not kept"
    (answer,) = ask(config(server), "b")
    assert (answer.text, answer.prompt_tokens, answer.new_tokens) == ("x", None, None)


def test_the_key_is_needed_when_asking(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY")
    with pytest.raises(UserError, match="variable SOME_KEY, got none; set it"):
        ask(config(server), "a")
    open_server = Endpoint(url=server.url, model="some-model")
    assert ask(open_server, "a")[0].text == "About a"
    assert server.keys == [None]


@pytest.mark.parametrize("url", ["file:///etc", "host/v1", "https://me:key@host/v1", "ftp://a"])
def test_addresses(url: str) -> None:
    with pytest.raises(ValidationError, match="expected an address"):
        Endpoint(url=url, model="m")
