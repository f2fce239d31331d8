"""A model behind an OpenAI-compatible server: vLLM, llama.cpp, `transformers serve`, vendors.

The key comes from the environment and goes nowhere else: it is in no record, journal or
message. What a server cannot do at once (too many requests, a fault of its own, no answer)
is asked again with growing pauses; what it refuses is an error that says so.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from whence.core.errors import ClientError, MissingExtraError
from whence.reasoning.clients.interface import Completion, Reply, Sampling

if TYPE_CHECKING:
    import httpx2

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_LONGEST_PAUSE = 60.0

Endpoint = Literal["completions", "chat"]


@dataclass(frozen=True)
class ServerSettings:
    """How a server is asked.

    Attributes:
        url: where its API begins, such as "http://localhost:8000/v1".
        endpoint: "completions" continues a text; "chat" sends it as a user's message.
        key: name of the environment variable with the key; none is sent when it is not set.
        timeout: seconds to wait for one answer.
        attempts: how often a request is made before it is given up.
        pause: seconds before the second attempt; each further pause is twice as long.
        concurrency: requests at a time.
        per_minute: requests a minute at most; None for no bound.
        price_in, price_out: of a million tokens, in any currency; None when not known.
    """

    url: str
    endpoint: Endpoint = "completions"
    key: str = "OPENAI_API_KEY"
    timeout: float = 120.0
    attempts: int = 6
    pause: float = 1.0
    concurrency: int = 4
    per_minute: float | None = None
    price_in: float | None = None
    price_out: float | None = None


class ServerModel:
    """A client of a server.

    Args:
        model: the model's name at the server.
        settings: how it is asked.
        sleep: what waits; given by tests.

    Raises:
        MissingExtraError: the package for HTTP is not installed.
    """

    def __init__(
        self,
        model: str,
        settings: ServerSettings,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            import httpx2  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise MissingExtraError(
                "a model on a server", package="httpx2", extra="reasoning"
            ) from error
        self._http, self._model, self._settings, self._sleep = httpx2, model, settings, sleep
        key = os.environ.get(settings.key)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.Client(headers=headers, timeout=settings.timeout)
        self._turn = _Turns(settings.per_minute, sleep)

    @property
    def model(self) -> str:
        """Its name at the server."""
        return self._model

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def complete(self, prompts: Sequence[str], sampling: Sampling) -> list[Reply]:
        """The completions of each prompt.

        Raises:
            ClientError: the server refuses, or did not answer after all attempts.
        """
        with ThreadPoolExecutor(self._settings.concurrency) as threads:
            return list(threads.map(lambda prompt: self._complete(prompt, sampling), prompts))

    def _complete(self, prompt: str, sampling: Sampling) -> Reply:
        """Ask until there are `n` completions: some servers give one at a time."""
        parts: list[Reply] = []
        missing = sampling.n
        while missing > 0:
            seed = None if sampling.seed is None else sampling.seed + sampling.n - missing
            part = self._read(
                self._ask(self._body(prompt, replace(sampling, n=missing, seed=seed)))
            )
            parts.append(part)
            missing -= len(part.completions)
        completions = tuple(c for part in parts for c in part.completions)[: sampling.n]
        asked = _total(part.prompt_tokens for part in parts)
        said = _total(part.completion_tokens for part in parts)
        return Reply(completions, parts[0].model, asked, said, self._cost(asked, said))

    def _body(self, prompt: str, sampling: Sampling) -> dict[str, Any]:
        chat = self._settings.endpoint == "chat"
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "n": sampling.n,
        }
        body |= {"messages": [{"role": "user", "content": prompt}]} if chat else {"prompt": prompt}
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        if sampling.log_probabilities:
            body["logprobs"] = True if chat else 0
        return body

    def _ask(self, body: dict[str, Any]) -> dict[str, Any]:
        path = "chat/completions" if self._settings.endpoint == "chat" else "completions"
        url = f"{self._settings.url.rstrip('/')}/{path}"
        fault, asked_to_wait = "nothing", None
        for attempt in range(self._settings.attempts):
            if attempt:
                self._sleep(self._pause(attempt, asked_to_wait))
            asked_to_wait = None
            self._turn.wait()
            try:
                response = self._client.post(url, json=body)
            except self._http.TransportError as error:
                fault = f"{type(error).__name__}: {error}"
                continue
            if response.status_code == 200:
                return self._json(url, response)
            fault = f"status {response.status_code}: {response.text[:300]}"
            if response.status_code not in _AGAIN:
                raise self._refused(url, response.status_code, fault)
            asked_to_wait = _seconds(response.headers.get("retry-after"))
        raise ClientError(
            url,
            expected=f"an answer within {self._settings.attempts} attempts",
            got=fault,
            fix="See whether the server runs; calls that were answered are in the journal.",
        )

    def _pause(self, attempt: int, asked: float | None) -> float:
        if asked is not None:
            return min(asked, _LONGEST_PAUSE)
        # Spread, so that clients that failed together do not come back together.
        spread = 0.5 + random.random()
        return min(self._settings.pause * 2.0 ** (attempt - 1) * spread, _LONGEST_PAUSE)

    def _refused(self, url: str, status: int, fault: str) -> ClientError:
        fix = "The request is at fault; the server's words say how."
        if status in (401, 403):
            fix = f"Set the environment variable {self._settings.key} to a key that may."
        return ClientError(url, expected="an answer", got=fault, fix=fix)

    def _json(self, url: str, response: httpx2.Response) -> dict[str, Any]:
        try:
            record = response.json()
            if not record["choices"]:
                raise KeyError("choices")
        except (ValueError, KeyError, TypeError) as error:
            raise ClientError(
                url,
                expected='JSON with "choices"',
                got=response.text[:200],
                fix="Is it an OpenAI-compatible server, and is the URL right up to /v1?",
            ) from error
        return dict(record)

    def _read(self, record: dict[str, Any]) -> Reply:
        usage = record.get("usage") or {}
        return Reply(
            tuple(map(_completion, record["choices"])),
            str(record.get("model") or self._model),
            usage.get("prompt_tokens"),
            usage.get("completion_tokens"),
        )

    def _cost(self, prompt_tokens: int | None, completion_tokens: int | None) -> float | None:
        price_in, price_out = self._settings.price_in, self._settings.price_out
        if price_in is None or price_out is None:
            return None
        if prompt_tokens is None or completion_tokens is None:
            return None
        return (price_in * prompt_tokens + price_out * completion_tokens) / 1e6


def _completion(choice: dict[str, Any]) -> Completion:
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    told = choice.get("logprobs") or {}
    if told.get("content"):
        pairs = [(entry["token"], entry["logprob"]) for entry in told["content"]]
    else:
        pairs = list(zip(told.get("tokens") or (), told.get("token_logprobs") or (), strict=True))
    finish = "length" if choice.get("finish_reason") == "length" else "stop"
    tokens, values = tuple(str(t) for t, _ in pairs), tuple(float(v) for _, v in pairs)
    return Completion(text or "", finish, tokens, values)


def _total(counts: Any) -> int | None:
    known = list(counts)
    return None if None in known else sum(known)


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:  # a date; the own pause will do
        return None


class _Turns:
    """Lets requests go at a bounded rate, whoever makes them."""

    def __init__(self, per_minute: float | None, sleep: Callable[[float], None]) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._sleep, self._lock, self._next = sleep, threading.Lock(), 0.0

    def wait(self) -> None:
        if not self._gap:
            return
        with self._lock:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + self._gap
        self._sleep(mine - now)
