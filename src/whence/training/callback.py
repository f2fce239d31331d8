"""Record the Hugging Face Trainer.

    recorder = RecorderCallback("runs/mine", documents=ids, column="document_id")
    trainer = Trainer(
        model,
        TrainingArguments(..., remove_unused_columns=False),
        train_dataset=dataset,                        # with a column "document_id"
        data_collator=recorder.collator(collator),
        callbacks=[recorder],
    )

A callback is not shown the batches, and batches are made ahead of their step and in other
processes. So the document ids travel inside the batch, and a hook takes them out again
before the model's own forward sees them. Labels of -100 (answers only) count as not
predicted; of a PEFT model the kept states hold the adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback

from whence.core.errors import RunError
from whence.training.batch import NOTHING
from whence.training.pieces import Documents
from whence.training.recorder import EVERY, Recorder, record

KEY = "whence_documents"
_EMPTY = -1


@dataclass(frozen=True, slots=True)
class Collator:
    """A collator that moves document ids past another one, as positions."""

    inner: Callable[[list[dict[str, Any]]], Mapping[str, Any]]
    column: str
    positions: Mapping[str, int]

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """Make a batch and lay the positions of its documents beside it."""
        rows = [self._positions(f) for f in features]
        plain = [{k: v for k, v in f.items() if k != self.column} for f in features]
        wide = max(map(len, rows))
        laid = [row + [_EMPTY] * (wide - len(row)) for row in rows]
        return {**self.inner(plain), KEY: torch.tensor(laid)}

    def _positions(self, feature: Mapping[str, Any]) -> list[int]:
        if self.column not in feature:
            raise RunError(
                "data collator",
                expected=f"examples with a column {self.column!r}",
                got=f"columns {', '.join(sorted(feature))}",
                fix="Name the column of document ids, and pass "
                "TrainingArguments(remove_unused_columns=False).",
            )
        given = feature[self.column]
        names = [given] if isinstance(given, str | int) else list(given)
        unknown = [n for n in names if str(n) not in self.positions]
        if unknown:
            raise RunError(
                f"column {self.column!r}",
                expected=f"ids out of {len(self.positions)} documents",
                got=repr(unknown[0]),
                fix="Announce all documents: RecorderCallback(..., documents=ids).",
            )
        return [self.positions[str(n)] for n in names]


class RecorderCallback(TrainerCallback):
    """Records a Trainer's run; opened by `open_run` afterwards.

    Args:
        path: the run's folder.
        corpus: what is trained on, if Whence built it.
        documents: else the ids of all documents.
        column: the dataset's column of document ids: one a row, or a list.
        tokenizer: saved beside each state; by default the Trainer's own.
        every: steps between kept states, beside those after 1, 2, 4, 8, ... steps.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        corpus: Documents | None = None,
        documents: Sequence[str] | None = None,
        column: str = "document_id",
        tokenizer: Any = None,
        every: int = EVERY,
    ) -> None:
        self._path, self._corpus, self._documents = Path(path), corpus, documents
        self._column, self._tokenizer, self._every = column, tokenizer, every
        ids = getattr(corpus, "ids", None) if corpus is not None else documents
        self._positions = {str(name): i for i, name in enumerate(ids or ())}
        self._open: AbstractContextManager[Recorder] | None = None
        self._recorder: Recorder | None = None
        self._hooks: list[Any] = []
        self._rows: list[list[int]] = []
        self._spans: list[tuple[int, int]] = []
        self._losses: list[float] = []
        self._tokens, self._summed = 0, False
        self._rate: float | None = None
        self._norm: float | None = None

    def collator(
        self, inner: Callable[[list[dict[str, Any]]], Mapping[str, Any]]
    ) -> Callable[[list[dict[str, Any]]], Mapping[str, Any]]:
        """The collator to give to the Trainer: the one it would have had, ids beside it."""
        return Collator(inner, self._column, self._positions)

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Open the record and hook into the model."""
        del control
        if args.remove_unused_columns:
            raise RunError(
                "TrainingArguments",
                expected="remove_unused_columns=False, so that document ids reach the recorder",
                got="remove_unused_columns=True",
                fix="Set it.",
            )
        module: nn.Module = given["model"]
        tokenizer = self._tokenizer or given.get("processing_class")
        self._open = record(
            self._path,
            module,
            corpus=self._corpus,
            documents=self._documents,
            tokenizer=tokenizer,
            settings=_settings(args),
            every=self._every,
            start=state.global_step,
        )
        self._recorder = self._open.__enter__()
        self._hooks = [
            module.register_forward_pre_hook(self._take_documents, with_kwargs=True),
            module.register_forward_hook(self._take_loss, with_kwargs=True),
        ]

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Note the rate and the gradient that the update uses."""
        del args, state, control
        self._rate = float(given["optimizer"].param_groups[0]["lr"])
        gradients = [p.grad for p in given["model"].parameters() if p.grad is not None]
        if gradients:
            self._norm = float(torch.stack(torch._foreach_norm(gradients)).norm())

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Write the step."""
        del args, state, control, given
        assert self._recorder is not None
        total = sum(self._losses)
        mean = total if self._summed else total / max(len(self._losses), 1)
        self._recorder.step(
            self._rows,
            loss=mean if self._losses else None,
            learning_rate=self._rate,
            gradient_norm=self._norm,
            tokens=self._tokens,
            spans=self._spans,
        )
        self._rows, self._spans, self._losses, self._tokens = [], [], [], 0

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Close the record."""
        del args, state, control, given
        for hook in self._hooks:
            hook.remove()
        assert self._open is not None
        self._open.__exit__(None, None, None)
        self._open = self._recorder = None

    def _take_documents(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        documents: Tensor | None = kwargs.pop(KEY, None)
        if documents is None or not (module.training and torch.is_grad_enabled()):
            return args, kwargs
        self._rows += [[d for d in row if d != _EMPTY] for row in documents.tolist()]
        ids, seen, labels = (kwargs.get(k) for k in ("input_ids", "attention_mask", "labels"))
        if ids is not None:
            lengths = seen.sum(1) if seen is not None and seen.dim() == 2 else [ids.shape[1]]
            lengths = [int(n) for n in lengths] * (1 if len(lengths) == len(ids) else len(ids))
            self._spans += [(0, n) for n in lengths]
        else:
            self._spans += [(0, -1)] * len(documents)
        if labels is not None:
            self._tokens += int((labels[:, 1:] != NOTHING).sum())
        return args, kwargs

    def _take_loss(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        del args
        loss = getattr(output, "loss", None)
        if loss is not None and module.training and torch.is_grad_enabled():
            # Told how many tokens the whole step predicts, a model gives its share of the mean.
            self._summed = kwargs.get("num_items_in_batch") is not None
            self._losses.append(float(loss.detach()))


def _settings(args: Any) -> dict[str, Any]:
    """What of the Trainer's arguments can change a number; paths and logging cannot."""
    numbers = "learning_rate weight_decay adam_beta1 adam_beta2 adam_epsilon max_grad_norm seed"
    numbers += " num_train_epochs max_steps warmup_steps data_seed bf16 fp16"
    numbers += " per_device_train_batch_size gradient_accumulation_steps"
    found = {name: getattr(args, name, None) for name in numbers.split()}
    found |= {name: str(getattr(args, name, "")) for name in ("lr_scheduler_type", "optim")}
    return {"loop": "transformers.Trainer", "gradient_norm": "after clipping", **found}
