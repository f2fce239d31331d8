"""A recording in place of a model: completions by the digest of their prompt.

A line of a recording is either a call of a journal, found again by its whole request, or

    {"prompt": DIGEST, "completions": [TEXT, ...]}

which answers its prompt under any settings. Experiments replay from the first without a
model; released outputs run through the same code as live ones by the second.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from whence.core.errors import ClientError
from whence.core.records import canonical, digest, write_bytes
from whence.reasoning.clients.interface import (
    Completion,
    Reply,
    Sampling,
    read_reply,
    request_digest,
)


class Recorded:
    """A client that says what was said before.

    Args:
        path: a recording or a journal.
        model: the name under which the calls of a journal were made; by default the name
            in the file.

    Raises:
        ClientError: the file is missing or is no recording.
    """

    def __init__(self, path: Path, model: str | None = None) -> None:
        self._path = Path(path)
        self._calls: dict[str, Reply] = {}
        self._prompts: dict[str, tuple[Completion, ...]] = {}
        names = [name for line in _lines(self._path) if (name := self._learn(line))]
        self._model = model or next(iter(names), "recorded")

    @property
    def model(self) -> str:
        """The model that was recorded."""
        return self._model

    def _learn(self, line: dict[str, Any]) -> str | None:
        try:
            if "request" in line:
                self._calls[line["digest"]] = read_reply(line["reply"])
                return str(line["request"]["model"])
            said = tuple(Completion(str(text)) for text in line["completions"])
            self._prompts[line["prompt"]] = said
        except (KeyError, TypeError) as error:
            raise _no_recording(self._path, f"a line without {error}") from error
        return None

    def complete(self, prompts: Sequence[str], sampling: Sampling) -> list[Reply]:
        """What was recorded for each prompt.

        Raises:
            ClientError: a prompt was not recorded, or with fewer completions.
        """
        return [self._answer(prompt, sampling) for prompt in prompts]

    def _answer(self, prompt: str, sampling: Sampling) -> Reply:
        call = self._calls.get(request_digest(self.model, prompt, sampling))
        if call is not None:
            return call
        said = self._prompts.get(prompt_digest(prompt), ())
        if len(said) < sampling.n:
            raise ClientError(
                str(self._path),
                expected=f"{sampling.n} completions of the prompt {prompt[-60:]!r}",
                got=f"{len(said)} recorded" if said else "a prompt that was never asked so",
                fix="Record it with a model (a journal is a recording), or ask for what it has.",
            )
        return Reply(said[: sampling.n], self.model)


def prompt_digest(prompt: str) -> str:
    """The identity of a prompt in a recording."""
    return digest(prompt.encode())


def write_recording(path: Path, said: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Write prompts and what was answered as a recording, whole or not at all."""
    lines = [
        {"prompt": prompt_digest(prompt), "completions": list(completions)}
        for prompt, completions in said
    ]
    write_bytes(Path(path), b"".join(canonical(line) + b"\n" for line in lines))


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        lines = [json.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise _no_recording(path, str(error)) from error
    if not all(isinstance(line, dict) for line in lines):
        raise _no_recording(path, "a line that is no object")
    return lines


def _no_recording(path: Path, got: str) -> ClientError:
    return ClientError(
        str(path),
        expected='a recording: lines with "prompt" and "completions", or a journal',
        got=got,
        fix="Write one with write_recording, or keep the calls of a client in a journal.",
    )
