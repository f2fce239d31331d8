"""Record somebody's own training loop in the same journal.

    with record("runs/mine", model, documents=ids, tokenizer=tokenizer) as recorder:
        for batch in batches:
            loss = ...                                   # your own loop
            optimizer.step()
            recorder.step(batch.ids, loss=float(loss), learning_rate=rate)

The recorder writes which documents each step saw, loss and learning rate, and keeps states
of the model on the same schedule as `whence.training.train`; `open_run` opens the result.
A recorded run cannot be replayed: Whence does not know the loop. What of a run exists after
a kill opens as an unfinished run.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from whence.core.environment import code_digest, versions
from whence.core.errors import RunError
from whence.core.locks import hold
from whence.core.records import building, write_json
from whence.training.checkpoints import STATE, folder_name, quiet
from whence.training.journal import JOURNAL, TIMINGS, Journal, appending, cut_journal
from whence.training.loop import CHECKPOINTS
from whence.training.order import Order
from whence.training.pieces import Documents
from whence.training.run import (
    DOCUMENTS,
    ORDER,
    ORDER_LINES,
    RECORD,
    VERSION,
    read_order_lines,
    seal_run,
)

EVERY = 100
UNKNOWN = -1


@dataclass(eq=False, slots=True)
class Recorder:
    """What a loop tells, step by step. Made by `record`.

    Attributes:
        path: the run's folder.
        module: the model; its states are saved by its own `save_pretrained`.
        positions: document id -> position.
        done: steps recorded so far.
    """

    path: Path
    module: nn.Module
    positions: Mapping[str, int]
    tokenizer: Any
    every: int
    done: int
    _journal: Journal
    _order: Journal
    _timings: Journal
    _last: float = field(default_factory=time.perf_counter)

    def step(
        self,
        documents: Sequence[str | int | Sequence[str | int]],
        *,
        loss: float | None = None,
        learning_rate: float | None = None,
        gradient_norm: float | None = None,
        tokens: int | None = None,
        spans: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        """Record one update, after it was made.

        Args:
            documents: for each row of the batch the id of its document, or the ids of the
                documents packed into it. Numbers are positions.
            loss: what was minimised, nats a predicted token.
            learning_rate: of this update.
            gradient_norm: of this update.
            tokens: how many were predicted.
            spans: for each row the first and last-but-one position of its document's tokens,
                where that is known.

        Raises:
            RunError: a document is not among those that were announced.
            StorageError: the disk is full.
        """
        entries = []
        for row, given in enumerate(documents):
            ids = [given] if isinstance(given, str | int | np.integer) else list(given)
            span = spans[row] if spans is not None else (0, UNKNOWN)
            entries += [[row, self._position(name), *span] for name in ids]
        self.done += 1
        self._order.write({"step": self.done, "entries": entries})
        record = {"step": self.done, "learning_rate": learning_rate, "loss": loss}
        self._journal.write(record | {"gradient_norm": gradient_norm, "tokens": tokens})
        now = time.perf_counter()
        self._timings.write({"step": self.done, "seconds": round(now - self._last, 6)})
        self._last = now
        power_of_two = self.done & (self.done - 1) == 0
        if power_of_two or self.done % self.every == 0:
            self.keep()

    def keep(self) -> Path:
        """Keep the model's present state, if it is not kept yet; returns its folder."""
        folder = self.path / CHECKPOINTS / folder_name(self.done)
        if not folder.is_dir():
            with building(folder) as temporary:
                with quiet():
                    module: Any = self.module
                    module.save_pretrained(temporary)
                    if self.tokenizer is not None:
                        self.tokenizer.save_pretrained(temporary)
                write_json(temporary / STATE, {"version": 1, "step": self.done})
        return folder

    def _position(self, name: str | int) -> int:
        found = self.positions.get(name) if isinstance(name, str) else int(name)
        if found is None or not 0 <= found < len(self.positions):
            raise RunError(
                f"step {self.done + 1}",
                expected=f"the id or position of one of {len(self.positions)} documents",
                got=repr(name),
                fix="Announce all documents: record(..., documents=ids) or corpus=...",
            )
        return found


@contextmanager
def record(
    path: Path | str,
    module: nn.Module,
    *,
    corpus: Documents | None = None,
    documents: Sequence[str] | None = None,
    tokenizer: Any = None,
    settings: Mapping[str, Any] | None = None,
    every: int = EVERY,
    start: int = 0,
) -> Iterator[Recorder]:
    """Record a training loop; the run is finished when the block ends without a fault.

    Args:
        path: the run's folder.
        module: the Hugging Face model (or PEFT model, whose states are then the adapter's).
        corpus: what is trained on, if Whence built it.
        documents: else the ids of all documents.
        tokenizer: saved beside each state, so that it can be opened alone.
        settings: whatever belongs to the record of this training.
        every: steps between kept states, beside those after 1, 2, 4, 8, ... steps.
        start: go on with an interrupted recording after this step.

    Raises:
        RunError: neither corpus nor documents are given, or the folder holds something else.
        BusyError: another process is writing the folder.
        StorageError: the disk is full.
    """
    path = Path(path)
    ids = _ids(corpus, documents)
    _check_folder(path, start)
    with hold(path):
        if not start:
            if corpus is None:
                write_json(path / DOCUMENTS, ids)
            write_json(path / RECORD, _record(module, corpus, ids, dict(settings or {})))
        for name in (JOURNAL, ORDER_LINES, TIMINGS):
            cut_journal(path / name, start)
        _forget_later(path, start)
        with (
            appending(path / JOURNAL) as journal,
            appending(path / ORDER_LINES) as order,
            appending(path / TIMINGS) as timings,
        ):
            positions = {name: i for i, name in enumerate(ids)}
            recorder = Recorder(
                path, module, positions, tokenizer, every, start, journal, order, timings
            )
            recorder.keep()
            yield recorder
            recorder.keep()
        _finish(path)


def _ids(corpus: Documents | None, documents: Sequence[str] | None) -> list[str]:
    known = getattr(corpus, "ids", None) if corpus is not None else documents
    if known is None:
        raise RunError(
            "record",
            expected="a corpus, or the ids of all documents",
            got="neither",
            fix="Give corpus=... or documents=[...].",
        )
    return [str(name) for name in known]


def _check_folder(path: Path, start: int) -> None:
    taken = (path / RECORD).exists() or (path.is_dir() and any(path.glob("[!.]*")))
    if bool(taken) != (start > 0) or path.is_file():
        raise RunError(
            str(path),
            expected="the folder of the interrupted recording" if start else "an empty folder",
            got="a folder with something in it" if taken else "none",
            fix="Choose another folder, or say after which step it goes on: start=...",
        )


def _forget_later(path: Path, step: int) -> None:
    for folder in (path / CHECKPOINTS).glob("step-*"):
        if folder.name > folder_name(step):
            shutil.rmtree(folder)


def _record(
    module: nn.Module, corpus: Documents | None, ids: Sequence[str], settings: dict[str, Any]
) -> dict[str, Any]:
    config: Any = getattr(module, "config", None)
    described = json.loads(json.dumps(config.to_dict(), default=str)) if config else None
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return {
        "whence": "run",
        "version": VERSION,
        "kind": "recorded",
        "settings": settings,
        "environment": {"versions": versions(), "code": code_digest()},
        "documents": len(ids),
        "corpus": corpus
        and {
            "path": str(corpus.path.resolve()),
            "digest": corpus.digest,
            "documents": corpus.n_documents,
            "tokens": corpus.n_tokens,
        },
        "model": {
            "architecture": getattr(config, "model_type", type(module).__name__),
            "parameters": sum(p.numel() for p in module.parameters()),
            "trained": trained,
            "config": described,
        },
    }


def _finish(path: Path) -> None:
    order: Order = read_order_lines(path / ORDER_LINES)
    order.save(path / ORDER)
    seal_run(path)
