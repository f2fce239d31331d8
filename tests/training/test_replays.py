from __future__ import annotations

import shutil

import numpy as np
import pytest

from whence.core.errors import RunError
from whence.core.records import manifest


def last_bytes(run):
    return manifest(run.checkpoint().path)["model.safetensors"]["digest"]


def without(run, *documents):
    weights = np.ones(run.record["corpus"]["documents"])
    weights[list(documents)] = 0
    return weights


def late_document(run):
    """One that is first seen after a checkpoint that is not the first."""
    first = run.order.first_steps(run.record["corpus"]["documents"])
    return int(np.flatnonzero((first > 9) & (first <= run.steps))[0])


def test_all_ones_give_the_same_bytes(run):
    replay = run.replay(without(run))
    assert replay.model_digest == last_bytes(run)
    assert replay.journal() == run.journal()


def test_starting_late_gives_the_bytes_of_starting_early(run):
    document = late_document(run)
    late = run.replay(without(run, document))
    assert late.start >= 8
    found, journal = late.model_digest, late.journal()
    shutil.rmtree(late.path)
    early = run.replay(without(run, document), start=0)
    assert early.start == 0
    assert (early.model_digest, early.journal()) == (found, journal)
    assert found != last_bytes(run)


def test_wrong_weights_are_refused(run):
    with pytest.raises(RunError, match="150 documents"):
        run.replay(np.ones(3))
    with pytest.raises(RunError, match="not finite"):
        run.replay(np.full(150, np.nan))


def test_workers_give_the_same_bytes(run):
    wanted = [without(run, 0), without(run, 1), without(run, 0)]
    made = run.replay_many(wanted, workers=2)
    assert made[0].path == made[2].path != made[1].path
    found = made[0].model_digest
    shutil.rmtree(made[0].path)
    assert run.replay(wanted[0]).model_digest == found
