"""Requests to a chat endpoint, repeated while they fail for a passing reason."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPException
from typing import Any, NoReturn
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from p5rec.core.errors import UserError

from .port import Answer

PASSING = frozenset({408, 409, 429})  # and 5xx
LONGEST = 60.0  # seconds between two tries
MESSAGE = 200  # characters of a server's message


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: another host must not receive the key."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Client:
    """Sends requests to one address.

    Args:
        url: the address.
        key: the API key; None: none is sent.
        timeout: seconds to wait for an answer.
        retries: repetitions of a failed request.

    Attributes:
        repeated: the number of repetitions so far.
    """

    def __init__(self, url: str, key: str | None, timeout: float, retries: int) -> None:
        self.url, self.timeout, self.retries, self.repeated = url, timeout, retries, 0
        self._key, self._headers = key, {"Content-Type": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._open = build_opener(_NoRedirect).open

    def ask(self, body: Mapping[str, Any]) -> Answer:
        """The answer to a request.

        Args:
            body: of the request, as plain data.

        Raises:
            UserError: the server refuses it, or all repetitions fail.
        """
        data = json.dumps(body).encode()
        for attempt in range(self.retries + 1):
            started, pause = time.perf_counter(), min(2.0**attempt, LONGEST)
            try:
                request = Request(self.url, data, self._headers)
                with self._open(request, timeout=self.timeout) as response:
                    return _answer(response.read(), time.perf_counter() - started)
            except HTTPError as error:
                reason = f"status {error.code}{_message(error)}"
                if error.code not in PASSING and error.code < 500:
                    self._fail(reason, _todo(error.code))
                pause = _retry_after(error.headers) or pause
            except (OSError, HTTPException) as error:
                reason = str(getattr(error, "reason", "") or error) or type(error).__name__
            except (ValueError, LookupError, TypeError, AttributeError):
                reason = "a response that is no chat completion"
            if attempt < self.retries:
                self.repeated += 1
                time.sleep(min(pause, LONGEST))
        todo = "run again later; the answers so far are cached"
        self._fail(f"{reason} in {self.retries + 1} tries", todo)

    def _fail(self, reason: str, todo: str) -> NoReturn:
        if self._key:  # some servers repeat it in a message
            reason = reason.replace(self._key, "***")
        raise UserError(f"{self.url}: expected an answer, got {reason}; {todo}")


def _answer(data: bytes, seconds: float) -> Answer:
    tree = json.loads(data)
    text, usage = tree["choices"][0]["message"]["content"], tree.get("usage") or {}
    if text is not None and not isinstance(text, str):
        raise TypeError("expected a text")
    return Answer(
        (text or "").strip() or None,
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        round(seconds, 4),
    )


def _todo(status: int) -> str:
    if status in (401, 403):
        return "check the key in the variable that generator.key_variable names"
    return "check generator.url, generator.model and generator.body"


def _message(error: HTTPError) -> str:
    """The server's message, on one line."""
    try:
        body = error.read(10_000)
        tree = json.loads(body)
        message = tree.get("error", tree)
        message = message.get("message", "") if isinstance(message, dict) else message
    except (OSError, HTTPException, ValueError, AttributeError):
        return ""
    text = " ".join(str(message).split())[:MESSAGE]
    return f" ({text})" if text else ""


def _retry_after(headers: Message) -> float | None:
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return None
