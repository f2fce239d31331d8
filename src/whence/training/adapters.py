"""Checkpoints that hold an adapter (LoRA and its kin), opened over their base model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whence.core.errors import MissingExtraError, RunError
from whence.core.records import read_json
from whence.models import Model, open_model

CONFIG = "adapter_config.json"


def open_adapter(folder: Path) -> Model:
    """Open an adapter merged into its base model.

    Raises:
        RunError: the adapter does not say where its base model is.
        ModelError: there is no such base model.
        MissingExtraError: PEFT is not installed.
    """
    try:
        from peft import PeftModel  # noqa: PLC0415  (an extra)
    except ImportError:
        raise MissingExtraError("adapters", package="peft", extra="trainer") from None
    base = read_json(folder / CONFIG).get("base_model_name_or_path")
    if not base:
        raise RunError(
            str(folder / CONFIG),
            expected="the path or name of the base model",
            got="none",
            fix="Open it yourself: PeftModel.from_pretrained(base, checkpoint).merge_and_unload().",
        )
    tokenizer: Any = folder if (folder / "tokenizer_config.json").is_file() else base
    over: Any = open_model(base, tokenizer=tokenizer).module
    merged = PeftModel.from_pretrained(over, folder).merge_and_unload()
    return open_model(merged, tokenizer=tokenizer)
