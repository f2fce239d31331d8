"""Checkpoints: a sealed folder that transformers opens, with the optimizer's state beside.

checkpoints/step-00000100/
    config.json, model.safetensors, ...   as save_pretrained writes them
    tokenizer.json, ...                   the corpus's tokenizer
    optimizer.safetensors                 "first.NAME" and "second.NAME" of each parameter
    state.json                            the step
    manifest.json                         sizes and digests of all of them
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.utils import logging

from whence.core.errors import DamagedError, RunError
from whence.core.records import building, check_digests, check_sizes, read_json, write_json
from whence.models import open_model
from whence.training.numerics import DTYPES, implementation
from whence.training.optimizer import Moments
from whence.training.recipe import Recipe

OPTIMIZER = "optimizer.safetensors"
STATE = "state.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One kept state of a run.

    Attributes:
        step: after how many updates.
        path: its folder; `AutoModelForCausalLM.from_pretrained(path)` opens it.
        learning_rate: of the update that starts from it; for the last, of the last update.
    """

    step: int
    path: Path
    learning_rate: float


@dataclass(eq=False, slots=True)
class State:
    """A training between two steps.

    Attributes:
        module: the model, in training mode.
        parameters: those of its parameters that are trained.
        moments: the optimizer's, one tensor a trained parameter.
        step: how many updates were made.
    """

    module: nn.Module
    parameters: list[Tensor]
    moments: Moments
    step: int

    @classmethod
    def fresh(cls, module: nn.Module) -> State:
        """Before the first step."""
        parameters = trained(module)
        zeros = [[torch.zeros_like(p) for p in parameters] for _ in range(2)]
        return cls(module, parameters, Moments(*zeros), 0)


def trained(module: nn.Module) -> list[Tensor]:
    """The parameters that are trained, in the module's own order."""
    return [p for p in module.parameters() if p.requires_grad]


def schedule(steps: int, every: int, *, log: bool) -> tuple[int, ...]:
    """The steps whose state is kept: first, last, every so many, and powers of two."""
    kept = {0, steps, *range(0, steps, every)}
    if log:
        kept |= {2**k for k in range(steps.bit_length()) if 2**k <= steps}
    return tuple(sorted(kept))


@contextmanager
def quiet() -> Iterator[None]:
    """No bars from transformers; its setting comes back after."""
    settings: Any = logging
    shown = settings.is_progress_bar_enabled()
    settings.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            settings.enable_progress_bar()


def folder_name(step: int) -> str:
    """The name of a checkpoint's folder; sorts by step."""
    return f"step-{step:08d}"


def save_checkpoint(state: State, folder: Path, tokenizer: Path, *, beta2: float) -> None:
    """Write a sealed checkpoint; nothing is there under its name before it is whole.

    Args:
        state: what is saved.
        folder: its name.
        tokenizer: folder of the tokenizer, whose files are copied.
        beta2: the optimizer's second decay rate, needed to read the second moments.
    """
    with building(folder) as temporary, _system_errors(folder):
        with quiet():
            module: Any = state.module
            module.save_pretrained(temporary)
        for file in sorted(tokenizer.iterdir()):
            if file.is_file() and file.name != "manifest.json":
                shutil.copyfile(file, temporary / file.name)
        names = [n for n, p in state.module.named_parameters() if p.requires_grad]
        tensors = {f"first.{n}": t for n, t in zip(names, state.moments.first, strict=True)}
        tensors |= {f"second.{n}": t for n, t in zip(names, state.moments.second, strict=True)}
        save_file({k: t.contiguous() for k, t in tensors.items()}, temporary / OPTIMIZER)
        write_json(temporary / STATE, {"version": 1, "step": state.step, "beta2": beta2})


@contextmanager
def _system_errors(folder: Path) -> Iterator[None]:
    """Give the faults of the system that safetensors wraps up (a full disk) their own type."""
    try:
        yield
    except SafetensorError as error:
        wrapped = re.search(r"os error (\d+)", str(error))
        if wrapped is None:
            raise
        raise OSError(int(wrapped[1]), str(error), str(folder)) from None


def load_checkpoint(folder: Path, recipe: Recipe) -> State:
    """Go on from a checkpoint.

    Raises:
        DamagedError: a file is missing or altered.
    """
    check_digests(folder)
    module = open_model(
        folder,
        device=recipe.device,
        dtype=DTYPES[recipe.dtype],
        attention=implementation(recipe.attention),
    ).module.train()
    tensors = load_file(folder / OPTIMIZER, device=recipe.device)
    names = [n for n, p in module.named_parameters() if p.requires_grad]
    try:
        moments = Moments(*([tensors[f"{k}.{n}"] for n in names] for k in ("first", "second")))
    except KeyError as error:
        raise DamagedError(
            str(folder / OPTIMIZER),
            expected="two moments for every parameter",
            got=f"none under {error}",
            fix="Make the run again with this version.",
        ) from None
    return State(module, trained(module), moments, int(read_json(folder / STATE)["step"]))


def adam_state(checkpoint: Checkpoint | Path) -> dict[str, Tensor]:
    """The running mean of each parameter's squared gradient, by parameter name.

    The bias towards the zeros it began with is taken out, as the update does: v / (1 - b2^step).
    Before the first step it is 0.

    Raises:
        RunError: the checkpoint holds no optimizer state.
        DamagedError: a file of it is missing or truncated.
    """
    folder = checkpoint.path if isinstance(checkpoint, Checkpoint) else checkpoint
    if not (folder / OPTIMIZER).is_file():
        raise RunError(
            str(folder),
            expected="a checkpoint with the optimizer's state",
            got=f"no {OPTIMIZER}",
            fix="Use a run that was trained by Whence.",
        )
    check_sizes(folder)
    record = read_json(folder / STATE)
    share = 1 - record["beta2"] ** record["step"] if record["step"] else 1.0
    tensors = load_file(folder / OPTIMIZER)
    second = {k: t for k, t in tensors.items() if k.startswith("second.")}
    return {k.removeprefix("second."): t / share for k, t in second.items()}
