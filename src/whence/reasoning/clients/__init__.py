"""Language models as clients: prompts in, completions out, every call kept.

interface   what a client is; sampling settings, completions, replies
local       a Hugging Face model on this machine
server      any OpenAI-compatible server
recorded    completions that were recorded, in place of a model
journal     calls kept in a file, and answered from it when asked again

Importing this loads no model library: `open_local` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from whence.reasoning.clients.interface import (
    Client,
    Completion,
    Reply,
    Sampling,
    Scorer,
    request_digest,
)
from whence.reasoning.clients.journal import Journalled, read_calls
from whence.reasoning.clients.recorded import Recorded, prompt_digest, write_recording
from whence.reasoning.clients.server import ServerModel, ServerSettings

if TYPE_CHECKING:
    from whence.reasoning.clients.local import LocalModel

__all__ = [
    "Client",
    "Completion",
    "Journalled",
    "Recorded",
    "Reply",
    "Sampling",
    "Scorer",
    "ServerModel",
    "ServerSettings",
    "open_client",
    "open_local",
    "prompt_digest",
    "read_calls",
    "request_digest",
    "write_recording",
]


def open_local(name: str | Path) -> LocalModel:
    """A client of a model by its folder or its name at Hugging Face.

    Raises:
        ModelError: it cannot be opened.
    """
    from whence.models import open_model  # noqa: PLC0415 - loads torch
    from whence.reasoning.clients.local import LocalModel  # noqa: PLC0415

    return LocalModel(open_model(name))


def open_client(name: str) -> Client:
    """A client by what a user types.

    Args:
        name: "URL#MODEL" of a server ("http://localhost:8000/v1#qwen"), a recording
            ("said.jsonl"), or a local model's folder or name.
    """
    if name.startswith(("http://", "https://")):
        url, _, model = name.partition("#")
        return ServerModel(model or "default", ServerSettings(url))
    if name.endswith(".jsonl"):
        return Recorded(Path(name))
    return open_local(name)
