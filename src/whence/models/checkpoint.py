"""A checkpoint on disk: looked at before it is loaded, and loaded without surprises.

transformers fills a parameter that a checkpoint lacks with random numbers and says so in
a log; here it is an error. A truncated file is named before anything is read from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import AutoModelForCausalLM

from whence.core.errors import DamagedError, ModelError
from whence.core.records import MANIFEST, check_digests, read_json


def check_checkpoint(folder: Path) -> None:
    """Look at a checkpoint's files without loading them.

    Raises:
        ModelError: it is not a folder with a Hugging Face model.
        DamagedError: a file is truncated or missing.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(
            str(folder),
            expected="a folder with a Hugging Face model (config.json, model.safetensors)",
            got="no config.json",
            fix="Give the folder of a checkpoint, or a name on the Hugging Face hub.",
        )
    if (folder / MANIFEST).is_file():
        check_digests(folder)  # loading reads every byte anyway
    for path in _weights(folder):
        try:
            with safe_open(path, framework="pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise DamagedError(
                str(path),
                expected="a whole safetensors file",
                got=short(error),
                fix="The file is truncated or altered: get or make the checkpoint again.",
            ) from None


def _weights(folder: Path) -> list[Path]:
    """The safetensors files that are there, or that the index says should be."""
    paths = set(folder.glob("*.safetensors"))
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        paths.update(folder / name for name in read_json(index)["weight_map"].values())
    return sorted(paths)


def folder_of(source: str | Path) -> Path | None:
    """The folder that is meant, or None for a name on the hub.

    Raises:
        ModelError: it reads like a path, and there is no such folder.
    """
    text = str(source)
    path = Path(source).expanduser()
    if text and path.is_dir():
        return path
    looks_like_a_path = isinstance(source, Path) or text[:1] in "/.~" or text.count("/") > 1
    if path.exists() or looks_like_a_path or not text:
        raise ModelError(
            text or "model",
            expected="a folder with a Hugging Face model, or a name on the hub",
            got="a file" if path.is_file() else "no such folder",
            fix="Check the path.",
        )
    return None


def load(name: str, dtype: torch.dtype | None, attention: str) -> nn.Module:
    """`from_pretrained`, with its many faults as one error, and no tensor made up.

    Raises:
        ModelError: transformers cannot load it.
        DamagedError: the checkpoint lacks a parameter.
    """
    try:
        with quiet():
            found: Any = AutoModelForCausalLM.from_pretrained(
                str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name,
                dtype="auto" if dtype is None else dtype,
                attn_implementation=attention,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, ImportError) as error:
        raise ModelError(
            name,
            expected=f"a causal language model that transformers can load with {attention!r} "
            "attention",
            got=short(error),
            fix="Check the name and the files of the checkpoint.",
        ) from error
    module, info = found
    missing = sorted(info["missing_keys"])
    if missing:
        raise DamagedError(
            name,
            expected="every parameter of the model",
            got=f"a checkpoint without {', '.join(missing[:4])}"
            + (f" and {len(missing) - 4} more" if len(missing) > 4 else ""),
            fix="Get or make the checkpoint again.",
        )
    assert isinstance(module, nn.Module)
    return module


@contextmanager
def quiet() -> Iterator[None]:
    """No bars and no advice from transformers while loading; its settings come back after."""
    log: Any = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def short(error: BaseException) -> str:
    """An error's message on one line, not too long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 200 else text[:197] + "..."
