"""Every call kept: a journal answers what was asked before and writes down what was not.

One JSON line a call: the digest of the request, the request itself, the reply with model and
cost, and the seconds that it took. An experiment that stops goes on where it was, and its
journal is a recording that replays it without a model (`recorded`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whence.core.errors import DamagedError
from whence.core.records import canonical, full_disk_is_an_error
from whence.reasoning.clients.interface import (
    Client,
    Reply,
    Sampling,
    read_reply,
    reply_record,
    request_digest,
    request_record,
)

_PIECE = 16  # prompts between two writes: what is lost at most when the power goes


class Journalled:
    """A client whose calls are kept in a file, and answered from it when asked again.

    Args:
        client: the model.
        path: a JSONL file; made when it is not there.
        piece: prompts that are asked together before they are written.

    Raises:
        DamagedError: the file holds something else.
    """

    def __init__(self, client: Client, path: Path, piece: int = _PIECE) -> None:
        self._client, self._path, self._piece = client, Path(path), piece
        self._known = {line["digest"]: read_reply(line["reply"]) for line in read_calls(path)}

    @property
    def model(self) -> str:
        """The name of the client's model."""
        return self._client.model

    @property
    def cost(self) -> float:
        """What all calls in the journal cost, where prices were known."""
        return sum(reply.cost or 0.0 for reply in self._known.values())

    def complete(self, prompts: Sequence[str], sampling: Sampling) -> list[Reply]:
        """The completions of each prompt, the new ones asked and written down."""
        digests = [request_digest(self.model, prompt, sampling) for prompt in prompts]
        pairs = dict(zip(digests, prompts, strict=True))
        new = [(d, prompt) for d, prompt in pairs.items() if d not in self._known]
        for start in range(0, len(new), self._piece):
            self._ask(new[start : start + self._piece], sampling)
        return [self._known[digest] for digest in digests]

    def _ask(self, new: list[tuple[str, str]], sampling: Sampling) -> None:
        begun = time.monotonic()
        replies = self._client.complete([prompt for _, prompt in new], sampling)
        seconds = (time.monotonic() - begun) / len(new)
        lines = [
            {
                "digest": digest,
                "request": request_record(self.model, prompt, sampling),
                "reply": reply_record(reply),
                "seconds": seconds,
            }
            for (digest, prompt), reply in zip(new, replies, strict=True)
        ]
        _append(self._path, lines)
        self._known |= {d: reply for (d, _), reply in zip(new, replies, strict=True)}


def _append(path: Path, lines: list[dict[str, Any]]) -> None:
    data = b"".join(canonical(line) + b"\n" for line in lines)
    with full_disk_is_an_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            file.truncate(_whole(path))
            while data:
                data = data[file.write(data) :]


def _whole(path: Path) -> int:
    """Bytes of the lines that were written to their end; a kill may have torn the last."""
    return path.read_bytes().rfind(b"\n") + 1


def read_calls(path: Path) -> list[dict[str, Any]]:
    """The calls of a journal; a line that a kill tore is left out.

    Raises:
        DamagedError: a line before the last is none, or of another kind.
    """
    path = Path(path)
    if not path.exists():
        return []
    whole = path.read_bytes()[: _whole(path)]
    return [_call(line, f"{path}, line {n}") for n, line in enumerate(whole.splitlines(), start=1)]


def _call(line: bytes, place: str) -> dict[str, Any]:
    try:
        call = json.loads(line)
    except ValueError:
        call = None
    if not isinstance(call, dict) or not {"digest", "request", "reply"} <= call.keys():
        raise DamagedError(
            place,
            expected='a call: "digest", "request" and "reply"',
            got=f"{line[:60]!r}",
            fix="Name the journal of a client, or a new file.",
        )
    return call
