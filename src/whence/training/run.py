"""A run: one recorded training, opened from its folder.

RUN/
    run.json         recipe, plan, seeds, environment, corpus, model; written first
    order/           what each step sees (`whence.training.order`)
    journal.jsonl    one line a step (`whence.training.journal`)
    timings.jsonl    wall times; the only part in which two equal runs differ
    checkpoints/     (`whence.training.checkpoints`)
    manifest.json    sizes and digests of all these; written last
    replays/         trainings with other document weights (`whence.training.replays`)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from whence.core.errors import RunError
from whence.core.records import MANIFEST, check_sizes, digest_file, read_json, write_json
from whence.corpus import Corpus, open_corpus
from whence.models import Model, open_model
from whence.training.adapters import open_adapter
from whence.training.batch import Batch, make_batch
from whence.training.checkpoints import Checkpoint
from whence.training.journal import JOURNAL, TIMINGS, read_journal
from whence.training.loop import CHECKPOINTS
from whence.training.order import Order
from whence.training.plan import Plan
from whence.training.recipe import Recipe
from whence.training.replay import Replay

VERSION = 1
RECORD = "run.json"
ORDER = "order"
ORDER_LINES = "order.jsonl"
DOCUMENTS = "documents.json"
REPLAYS = "replays"


@dataclass(frozen=True, eq=False)
class Run:
    """One recorded training.

    Attributes:
        path: its folder.
        record: `run.json` as it was written.
    """

    path: Path
    record: dict[str, Any]

    @property
    def kind(self) -> str:
        """Either "trained" by Whence, or "recorded" from somebody's own loop."""
        kind: str = self.record["kind"]
        return kind

    @cached_property
    def recipe(self) -> Recipe:
        """What was asked for.

        Raises:
            RunError: the run was recorded from somebody's own loop.
        """
        self._needs_training("a recipe")
        return Recipe.from_json(self.record["recipe"])

    @cached_property
    def plan(self) -> Plan:
        """The recipe with everything closed.

        Raises:
            RunError: the run was recorded from somebody's own loop.
        """
        return Plan.from_json(self.recipe, self.record["plan"])

    @property
    def finished(self) -> bool:
        """Whether the last step was made."""
        return (self.path / MANIFEST).is_file()

    @cached_property
    def steps(self) -> int:
        """The number of the last step: planned for a training, made for a recording."""
        return self.plan.steps if self.kind == "trained" else self.order.steps

    @cached_property
    def digest(self) -> str:
        """Of everything in a finished run but wall times.

        Raises:
            RunError: the run is not finished.
        """
        self._needs_end()
        return digest_file(self.path / MANIFEST)

    @property
    def corpus_digest(self) -> str | None:
        """Digest of the corpus; None for a recording without one."""
        found = self.record["corpus"]
        return None if found is None else str(found["digest"])

    def corpus(self, path: Path | str | None = None) -> Corpus:
        """Open the corpus.

        Args:
            path: where it is now, if it moved since the training.

        Raises:
            RunError: there is none, or another one stands in its place.
        """
        if path is None and "_corpus" in self.__dict__:
            kept: Corpus = self.__dict__["_corpus"]
            return kept
        if self.record["corpus"] is None:
            raise RunError(
                str(self.path),
                expected="a run with a corpus",
                got="a recording made without one",
                fix="Record again and name the corpus.",
            )
        place = Path(path or self.record["corpus"]["path"])
        if not place.exists():
            raise RunError(
                str(place),
                expected=f"the corpus that {self.path} was trained on",
                got="no such folder",
                fix="Put it back, or say where it is now: run.corpus(path), or --corpus DIR.",
            )
        found = open_corpus(place)
        if found.digest != self.corpus_digest:
            raise RunError(
                str(place),
                expected=f"the corpus that was trained on ({str(self.corpus_digest)[:19]})",
                got=f"another ({found.digest[:19]})",
                fix="Say where that corpus is now: run.corpus(path).",
            )
        self.__dict__["_corpus"] = found
        return found

    @cached_property
    def order(self) -> Order:
        """Which piece of which document was where in which step.

        A recording knows rows but not columns, and where no spans were told a stop of -1.
        """
        if self.kind == "recorded" and not self.finished:
            return read_order_lines(self.path / ORDER_LINES)
        return Order.load(self.path / ORDER)

    @cached_property
    def document_ids(self) -> Sequence[str]:
        """The ids of all documents, by position."""
        if self.record["corpus"] is not None:
            return self.corpus().ids
        found: list[str] = read_json(self.path / DOCUMENTS)
        return found

    @cached_property
    def _first_steps(self) -> Int[np.ndarray, " document"]:
        found = self.record["corpus"]
        count = self.record["documents"] if found is None else found["documents"]
        return self.order.first_steps(int(count))

    def first_step_of(self, documents: Iterable[int]) -> int:
        """The first step that sees any of the documents; steps + 1 when none does."""
        wanted = np.fromiter(documents, dtype=np.int64)
        return int(self._first_steps[wanted].min(initial=self.steps + 1))

    def seen_until(self, step: int | None = None) -> Bool[np.ndarray, " document"]:
        """Which documents some step up to this one saw, the step itself included.

        Args:
            step: 0 is before the first; None means the last.

        Raises:
            RunError: the run has no such step.
        """
        last = self.order.steps
        wanted = last if step is None else step
        if not 0 <= wanted <= last:
            raise RunError(
                str(self.path),
                expected=f"a step from 0 to {last}",
                got=str(wanted),
                fix="Choose one.",
            )
        return np.asarray(self._first_steps <= wanted)

    @cached_property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The kept states, by step.

        Raises:
            DamagedError: a file of one is missing or truncated.
        """
        found = sorted((self.path / CHECKPOINTS).glob("step-*"))
        for folder in found:
            check_sizes(folder)
        steps = [int(folder.name.removeprefix("step-")) for folder in found]
        return tuple(
            Checkpoint(step, folder, self._rate_from(step))
            for step, folder in zip(steps, found, strict=True)
        )

    def checkpoint(self, step: int | None = None) -> Checkpoint:
        """The state after a step; None means the last one kept.

        Raises:
            RunError: no state of that step was kept.
        """
        kept = {c.step: c for c in self.checkpoints}
        wanted = max(kept, default=0) if step is None else step
        if wanted not in kept:
            raise RunError(
                f"{self.path}, step {wanted}",
                expected=f"a step whose state was kept ({', '.join(map(str, kept)) or 'none'})",
                got=str(wanted),
                fix="Choose one of these.",
            )
        return kept[wanted]

    def model(self, step: int | None = None) -> Model:
        """The model after a step; None means after the last.

        Raises:
            RunError: no state of that step was kept.
        """
        folder = self.checkpoint(step).path
        if (folder / "adapter_config.json").is_file():
            return open_adapter(folder)
        return open_model(folder)

    def batch(self, step: int) -> Batch:
        """What a step saw, as tensors.

        Raises:
            RunError: there is no such step, or the run was recorded from another loop.
        """
        self._needs_training("batches")
        if not 1 <= step <= self.steps:
            raise RunError(
                f"{self.path}, step {step}",
                expected=f"a step from 1 to {self.steps}",
                got=str(step),
                fix="Steps count from 1.",
            )
        return make_batch(self.corpus(), self.order.of_step(step), packed=self.plan.packed)

    def journal(self) -> list[dict[str, Any]]:
        """The record of each step: step, learning_rate, loss (nats), gradient_norm, tokens."""
        return read_journal(self.path / JOURNAL)

    @property
    def seconds(self) -> float:
        """Wall time of all steps made so far; steps made twice after a kill count twice."""
        return float(sum(r["seconds"] for r in read_journal(self.path / TIMINGS)))

    def replay(
        self,
        weights: Float[np.ndarray, " document"],
        *,
        start: int | None = None,
        seed: int | None = None,
        keep_checkpoints: bool = False,
    ) -> Replay:
        """Train again with other document weights; see `replay_many`."""
        return self.replay_many(
            [weights], workers=1, start=start, seed=seed, keep_checkpoints=keep_checkpoints
        )[0]

    def replay_many(
        self,
        weights: Sequence[Float[np.ndarray, " document"]],
        workers: int | None = None,
        *,
        start: int | None = None,
        seed: int | None = None,
        keep_checkpoints: bool = False,
        engine: str = "processes",
        stack: int | None = None,
    ) -> list[Replay]:
        """Train again with other document weights, once for each.

        A replay that was made before is opened, not made again.

        Args:
            weights: one weight a document for each replay; with all 1 the replay has the
                bytes of the run.
            workers: processes; None means as many as the cores carry.
            start: step of the checkpoint to start from. None means the last one before any
                changed weight matters, which gives the same bytes as the very beginning.
                With a later one the weights act only from there on.
            seed: of another initialisation and order, to average over; None means the run's.
            keep_checkpoints: keep the states in between too.
            engine: what makes them: "processes", "ray" or "serial" (`whence.core.engines`).
            stack: replays that are made as one computation; 1 makes each alone, None stacks
                where that measured faster (`whence.training.stacked`).

        Raises:
            RunError: the run is not finished, was not trained by Whence, a weight is wrong, or
                it cannot be stacked.
            BusyError: another process makes the same replay.
        """
        from whence.training.many import replay_many  # noqa: PLC0415  (replays open runs)

        self.replay_is_possible()
        return replay_many(
            self,
            weights,
            workers,
            start=start,
            seed=seed,
            keep_checkpoints=keep_checkpoints,
            engine=engine,
            stack=stack,
        )

    def stacked_apart(self, stack: int | None = None) -> bool:
        """Whether replays are made in stacks whose last bits are not those of single ones.

        They are then kept apart from those that were made alone.

        Args:
            stack: as in `replay_many`.
        """
        from whence.training.stacked import stacked_apart  # noqa: PLC0415  (as above)

        return stacked_apart(self, stack)

    def replay_is_possible(self) -> None:
        """See that the run can be made again.

        Raises:
            RunError: it is not finished, or was recorded from somebody else's loop.
        """
        self._needs_training("replays")
        self._needs_end()

    def _rate_from(self, step: int) -> float:
        if self.kind == "trained":
            return self.plan.rate(min(step + 1, self.steps))
        rates = [r["learning_rate"] for r in self.journal() if r["step"] in (step, step + 1)]
        return float(rates[-1]) if rates and rates[-1] is not None else float("nan")

    def _needs_training(self, what: str) -> None:
        if self.kind != "trained":
            raise RunError(
                str(self.path),
                expected=f"a run trained by Whence, for {what}",
                got=f"a {self.kind} one, whose own loop Whence cannot run again",
                fix="Train it with `whence train`.",
            )

    def _needs_end(self) -> None:
        if not self.finished:
            raise RunError(
                str(self.path),
                expected="a finished run",
                got="one that was interrupted",
                fix="Run the same `whence train` command again: it goes on where it stopped.",
            )


def open_run(path: Path | str) -> Run:
    """Open a recorded training, finished or not.

    Raises:
        RunError: there is none.
        DamagedError: a file of it is missing, truncated, or of another version.
    """
    path = Path(path)
    if not (path / RECORD).is_file():
        raise RunError(
            str(path),
            expected=f"the folder of a run, with {RECORD} in it",
            got="no such folder" if not path.exists() else f"no {RECORD}",
            fix="Train one with `whence train CORPUS -o RUN`.",
        )
    record = read_json(path / RECORD)
    if record.get("whence") != "run" or record.get("version") != VERSION:
        raise RunError(
            str(path / RECORD),
            expected=f"a run of version {VERSION}",
            got=f"{record.get('whence')!r} of version {record.get('version')}",
            fix="Open it with the version of Whence that wrote it.",
        )
    run = Run(path, record)
    if run.finished:
        check_sizes(path)
    if run.kind == "trained":
        _ = run.recipe, run.order
    _ = run.checkpoints
    return run


def read_order_lines(path: Path) -> Order:
    """The order as a recorder wrote it, one line a step: rows, documents and spans."""
    lines = read_journal(path)
    entries = [(line["step"], *entry) for line in lines for entry in line["entries"]]
    columns = np.array(entries, dtype=np.int64).reshape(-1, 5).T
    step, row, document, start, stop = columns
    return Order(step, row, np.zeros_like(row), document, start, stop)


def seal_run(path: Path) -> None:
    """Write the manifest that makes a run finished.

    It names the record, the journal and the manifests of order and checkpoints, which name
    all other files; wall times and replays stay outside.
    """
    inner = [path / ORDER / MANIFEST, *sorted((path / CHECKPOINTS).glob(f"step-*/{MANIFEST}"))]
    inner += [p for p in (path / ORDER_LINES, path / DOCUMENTS) if p.is_file()]
    files = {
        str(file.relative_to(path)): {"bytes": file.stat().st_size, "digest": digest_file(file)}
        for file in [path / RECORD, path / JOURNAL, *inner]
    }
    write_json(path / MANIFEST, {"version": 1, "files": files})
