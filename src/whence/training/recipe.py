"""A recipe: everything a person chooses about a training, checked when it is made.

A recipe and a corpus together fix the bytes of the run on one kind of machine. Steps,
warm-up and checkpoints may be left open; `whence.training.plan` closes them and the run's
record holds both the recipe as passed and the plan as resolved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from whence.core.errors import RunError

Size = Literal["tiny", "small", "base"]
Schedule = Literal["cosine", "linear", "constant"]
Attention = Literal["eager", "math"]
Dtype = Literal["float32", "float64", "bfloat16"]

CHOICES: dict[str, tuple[str, ...]] = {
    "size": get_args(Size),
    "schedule": get_args(Schedule),
    "attention": get_args(Attention),
    "dtype": get_args(Dtype),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained.

    Attributes:
        architecture: a Hugging Face `model_type` of a decoder-only model ("llama", "gpt2", ...).
        size: "tiny" (64 dimensions, 2 layers), "small" (128, 4) or "base" (256, 6).
        config: path of a Hugging Face JSON config; replaces architecture and size.
        checkpoint: path or name of a checkpoint to go on from; replaces architecture and size.
        context: tokens a row.
        rows: rows a step; a step sees at most rows x context tokens.
        steps: number of updates; None means as many as `epochs` need.
        epochs: passes over the corpus, used when `steps` is None.
        learning_rate: at the end of the warm-up.
        warmup: share of the steps in which the rate rises linearly.
        schedule: how the rate falls afterwards.
        final_rate: the last rate as a share of `learning_rate` (cosine and linear).
        weight_decay: decoupled; parameters of one axis (norms, biases) are never decayed.
        betas: AdamW's two decay rates.
        epsilon: AdamW's epsilon, *inside* the square root (see `whence.training.optimizer`).
        clip: largest global norm of a gradient.
        seed: of initial weights, order and dropout.
        threads: CPU threads; results are equal to the bit only between equal numbers of them.
        device: "cpu", "cuda", "cuda:1", ...
        dtype: of parameters and computation.
        attention: "eager", or "math", the second differentiable kernel of PyTorch.
        checkpoint_every: steps between regular checkpoints; None means a tenth of the run.
        log_checkpoints: also keep the states after 1, 2, 4, 8, ... steps.

    Raises:
        RunError: a value is out of range; the message names it.
    """

    architecture: str = "llama"
    size: Size = "tiny"
    config: str | None = None
    checkpoint: str | None = None
    context: int = 128
    rows: int = 16
    steps: int | None = None
    epochs: float = 4.0
    learning_rate: float = 3e-3
    warmup: float = 0.05
    schedule: Schedule = "cosine"
    final_rate: float = 0.1
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    epsilon: float = 1e-12
    clip: float = 1.0
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    dtype: Dtype = "float32"
    attention: Attention = "eager"
    checkpoint_every: int | None = None
    log_checkpoints: bool = True

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                _refuse(name, f"one of {', '.join(choices)}", getattr(self, name))
        for name in ("rows", "threads", "steps", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                _refuse(name, "a whole number above 0", value)
        if self.context < 2:
            _refuse(
                "context", "at least 2 tokens, one to predict from and one to predict", self.context
            )
        for name in ("learning_rate", "epsilon", "clip", "epochs"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                _refuse(name, "a finite number above 0", value)
        for name in ("warmup", "final_rate"):
            if not 0 <= getattr(self, name) <= 1:
                _refuse(name, "a share between 0 and 1", getattr(self, name))
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            _refuse("weight_decay", "a finite number, 0 or more", self.weight_decay)
        if len(self.betas) != 2 or not all(0 <= b < 1 for b in self.betas):
            _refuse("betas", "two numbers in [0, 1)", self.betas)
        if self.config is not None and self.checkpoint is not None:
            _refuse("config", "either a config or a checkpoint", "both")

    def to_json(self) -> dict[str, Any]:
        """The record of this recipe."""
        return {**asdict(self), "betas": list(self.betas)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Recipe:
        """Read a recipe from its record.

        Raises:
            RunError: a field is unknown or out of range.
        """
        unknown = sorted(set(record) - {f.name for f in fields(cls)})
        if unknown:
            raise RunError(
                "recipe",
                expected=f"fields out of {', '.join(f.name for f in fields(cls))}",
                got=", ".join(unknown),
                fix="Correct the name, or open the run with the version that wrote it.",
            )
        return cls(**{**record, "betas": tuple(record["betas"])})


def _refuse(name: str, expected: str, got: object) -> None:
    raise RunError(f"recipe.{name}", expected=expected, got=repr(got), fix="Choose another value.")
