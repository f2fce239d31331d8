"""Making replays: alone or in stacks, here, in worker processes or on Ray.

A unit of work is a list of replays that are made together: one, or a stack of those that start
from the same state. A unit is a function of the run's folder and of what is wanted, so any
engine (`whence.core.engines`) can do it; what it makes lies in the run's folder afterwards.

A replay that was made before is opened, not made again (`whence.training.replays`).
A stack that is killed leaves a state of each of its replays. They were not all saved at one
moment, so the next attempt puts those together that stopped at the same step.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from whence.core.engines import Engine, open_engine
from whence.core.locks import hold
from whence.core.progress import bar
from whence.training.batch import make_batch
from whence.training.checkpoints import State
from whence.training.journal import JOURNAL, TIMINGS, appending
from whence.training.loop import (
    RESUME,
    SAVE_EVERY_SECONDS,
    Task,
    keep,
    latest,
    resume,
    save_for_resuming,
)
from whence.training.numerics import numerics
from whence.training.replay import Replay, open_replay
from whence.training.replays import (
    Wanted,
    begin,
    check_same_bits,
    make_replay,
    seal,
    step_of,
    task_of,
    want,
    workplace,
)
from whence.training.run import Run, open_run
from whence.training.stacked import Stack, advance_stack, stack_of, stacked_apart, width_for

Unit = tuple[Wanted, ...]

# Seconds of training below which another worker costs more than it gives: it has to start.
_WORTH_A_WORKER = 10.0


def replay_many(
    run: Run,
    weights: Sequence[Float[np.ndarray, " document"]],
    workers: int | None,
    *,
    start: int | None,
    seed: int | None,
    keep_checkpoints: bool,
    engine: str,
    stack: int | None,
) -> list[Replay]:
    """Make or open replays; see `Run.replay_many`."""
    wanted = [
        want(run, each, run._first_steps, start=start, seed=seed, keep_checkpoints=keep_checkpoints)
        for each in weights
    ]
    if stacked_apart(run, stack):
        wanted = [replace(one, stacked=True) for one in wanted]
    places = [one.place(run) for one in wanted]
    missing = {p: w for p, w in zip(places, wanted, strict=True) if not p.is_dir()}
    if missing:
        check_same_bits(run)
        if workers is None:
            cores = max(1, len(os.sched_getaffinity(0)) // run.recipe.threads)
            work = run.seconds * len(missing)
            workers = min(cores, max(1, int(work / _WORTH_A_WORKER)))
        name = "serial" if engine == "processes" and workers == 1 else engine
        make_all(run, list(missing.values()), open_engine(name, workers), stack)
    return [open_replay(p, run.checkpoints) for p in places]


def make_all(run: Run, wanted: Sequence[Wanted], engine: Engine, stack: int | None) -> None:
    """Make replays, several at a time.

    Args:
        run: the run.
        wanted: what is to be made; nothing twice.
        engine: who makes them.
        stack: replays in one computation; None takes what measured best.

    Raises:
        UserError: whatever a worker refused, as if it had been refused here.
        WorkerError: a worker died.
    """
    units = cut(run, wanted, engine.workers, stack)
    where = (str(run.path.absolute()), str(run.corpus().path.absolute()))
    with bar("replays", len(wanted), unit="replay") as shown:
        if engine.name == "serial" or (engine.name == "processes" and len(units) == 1):
            for unit in units:
                shown.update(make_unit(run, unit))
            return
        workers = min(engine.workers, len(units))
        with engine.team(_open, [where] * workers, threads=run.recipe.threads) as team:
            for made in team.map(make_unit, units):
                shown.update(made)


def cut(run: Run, wanted: Sequence[Wanted], workers: int, stack: int | None) -> list[Unit]:
    """Put together what is made together: replays that start alike, as many as fit a stack."""
    alike = defaultdict(list)
    for one in wanted:
        alike[one.start, one.late, one.seed, one.keep_checkpoints].append(one)
    units: list[Unit] = []
    for group in alike.values():
        # No worker should stand by while another's stack is full.
        widest = width_for(run, -(-len(group) // workers), stack)
        count = -(-len(group) // widest)
        count = min(len(group), -(-count // workers) * workers) if widest > 1 else len(group)
        bounds = [len(group) * i // count for i in range(count + 1)]
        units += [tuple(group[i:j]) for i, j in pairwise(bounds)]
    return units


def make_unit(run: Run, unit: Unit) -> int:
    """Make the replays of one unit in this process, or go on with them.

    Returns:
        How many there were.

    Raises:
        BusyError: another process makes one of them.
    """
    if len(unit) == 1 and not unit[0].stacked:
        make_replay(run, unit[0])
        return 1
    with ExitStack() as held:
        for one in unit:
            held.enter_context(hold(workplace(run, one)))
        held.enter_context(numerics(run.recipe))
        by_step = defaultdict(list)
        for one in unit:
            if not one.place(run).is_dir():
                task = task_of(run, one)
                by_step[step_of(one, task)].append((one, task))
        for members in by_step.values():
            _finish(run, members)
            for one, _ in members:
                seal(run, one)
    for one in unit:
        shutil.rmtree(workplace(run, one), ignore_errors=True)
    return len(unit)


def _finish(run: Run, members: Sequence[tuple[Wanted, Task]]) -> None:
    """Make all steps that are left to replays which stand at the same one."""
    tasks = [task for _, task in members]
    stack = stack_of(_states(run, members))
    weights = torch.stack([task.weights for task in tasks])
    plan, order, corpus = tasks[0].plan, tasks[0].order, tasks[0].corpus
    last = saved = time.perf_counter()
    with ExitStack() as files, bar("stack of replays", plan.steps, unit="step") as shown:
        journals = [files.enter_context(appending(t.folder / JOURNAL)) for t in tasks]
        timings = [files.enter_context(appending(t.folder / TIMINGS)) for t in tasks]
        shown.update(stack.step)
        _keep(stack, tasks)
        while stack.step < plan.steps:
            entries = order.of_step(stack.step + 1)
            batch = make_batch(corpus, entries, packed=plan.packed).to(plan.recipe.device)
            records = advance_stack(stack, batch, weights, plan)
            now = time.perf_counter()
            each = round((now - last) / len(tasks), 6)
            for journal, timing, record in zip(journals, timings, records, strict=True):
                journal.write(record)
                timing.write({"step": stack.step, "seconds": each})
            last = now
            shown.update()
            _keep(stack, tasks)
            if now - saved > SAVE_EVERY_SECONDS and stack.step not in tasks[0].kept:
                for number, task in enumerate(tasks):
                    save_for_resuming(task, stack.replay(number))
                saved = now
    for task in tasks:
        shutil.rmtree(task.folder / RESUME, ignore_errors=True)


def _states(run: Run, members: Sequence[tuple[Wanted, Task]]) -> Iterator[State]:
    """Their states, each good until the next is asked for; a common beginning is read once."""
    beginning: State | None = None
    for one, task in members:
        found = latest(task.folder)
        if found is not None:
            yield resume(task, found)
            continue
        fresh = begin(run, one, task, beginning)
        beginning = fresh
        yield fresh


def _keep(stack: Stack, tasks: Sequence[Task]) -> None:
    for number, task in enumerate(tasks):
        if stack.step in task.kept:
            keep(task, stack.replay(number))


def _open(run: str, corpus: str) -> Run:
    """What a worker opens once, for all replays that it makes."""
    opened = open_run(Path(run))
    opened.corpus(corpus)
    return opened
