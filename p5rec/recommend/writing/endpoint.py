"""Texts of a language model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from p5rec.core.errors import UserError
from p5rec.core.paths import answers_home
from p5rec.core.progress import progress_bar
from p5rec.prompting.render import to_messages
from p5rec.tasks.literal import Literal as Escape
from p5rec.tasks.literal import literal

from .answer_cache import AnswerCache
from .http_client import Client
from .port import Answer, Assignment, GeneratorConfig, Request, Writer


class Endpoint(GeneratorConfig):
    """A language model behind an OpenAI-compatible endpoint. Each answer is cached when it arrives,
    so an interrupted run asks for the others only."""

    kind: Literal["endpoint"] = "endpoint"
    url: str
    """Address of the API up to its version: ``https://host/v1``."""
    model: str
    """Name of the model there."""
    key_variable: str | None = None
    """Environment variable with the API key, which is neither stored nor logged. null: no key."""
    max_new_tokens: int = Field(256, ge=1)
    """Most tokens of a text."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 chooses the most likely token."""
    body: dict[str, Any] = {}
    """Further fields of each request, such as ``response_format``; they replace others of the same
    name, and null removes one.
    """
    parallel: int = Field(4, ge=1)
    """Requests at a time."""
    retries: int = Field(6, ge=0)
    """Repetitions of a request that failed for a passing reason (no connection, a time-out, status
    408, 409, 429 or 5xx), after 1, 2, 4, ... seconds or as long as the server says.
    """
    timeout: float = Field(120.0, gt=0)
    """Seconds to wait for an answer."""

    @field_validator("url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"expected an address as https://host/v1, got {url!r}")
        if parts.username or parts.password or parts.query:
            raise ValueError("expected an address without a key; name its variable: key_variable")
        return url.rstrip("/")

    def open(self, assignment: Assignment) -> Writer:
        """See :class:`.port.GeneratorConfig`."""
        key = None
        if self.key_variable is not None:
            key = os.environ.get(self.key_variable, "").strip()
            if not key:
                raise UserError(
                    f"{self.url}: expected its API key in the environment variable "
                    f"{self.key_variable}, got none; set it and run again"
                )
        client = Client(f"{self.url}/chat/completions", key, self.timeout, self.retries)
        return EndpointWriter(self, client, AnswerCache(answers_home()), assignment.seed)

    def settings(self) -> dict[str, Any]:
        """See :class:`.port.GeneratorConfig`."""
        names = ("kind", "url", "model", "max_new_tokens", "temperature", "body")
        return {name: value for name, value in self.dump().items() if name in names}


class EndpointWriter:
    """An opened endpoint.

    Args:
        config: of the generator.
        client: sends the requests.
        cache: the answers so far.
        seed: of the section; sampled answers belong to a seed and an entity.
    """

    escape: Escape = literal

    def __init__(self, config: Endpoint, client: Client, cache: AnswerCache, seed: int = 0) -> None:
        self.config, self.client, self.cache, self.seed = config, client, cache, seed

    @property
    def facts(self) -> dict[str, int]:
        """The number of answers from the cache, and of repeated requests."""
        return {"cached_answers": self.cache.hits, "repeated_requests": self.client.repeated}

    def write(self, requests: Sequence[Request]) -> list[Answer]:
        """See :class:`.port.Writer`.

        Raises:
            UserError: the endpoint refuses a request, or fails more often than ``retries``.
        """
        with (
            ThreadPoolExecutor(self.config.parallel) as pool,
            progress_bar(len(requests), "ask", "text") as advance,
        ):
            futures = [pool.submit(self._answer, request) for request in requests]
            answers = []
            try:
                for future in futures:
                    answers.append(future.result())
                    advance(1)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return answers

    def _answer(self, request: Request) -> Answer:
        assert request.prompt is not None, "the generator reads prompts"
        config = self.config
        body = {
            "model": config.model,
            "messages": to_messages(request.prompt),
            "max_tokens": config.max_new_tokens,
            "temperature": config.temperature,
            **config.body,
        }
        body = {name: value for name, value in body.items() if value is not None}
        question = {"url": config.url, **body}
        if body.get("temperature"):
            question["draw"] = [self.seed, request.id]
        cached = self.cache.get(question)
        if cached is None:
            cached = self.client.ask(body)
            if cached.text is not None:  # a refusal may pass
                self.cache.put(question, cached)
        return cached
