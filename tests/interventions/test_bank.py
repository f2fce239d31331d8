"""A bank keeps what it measured, goes on where it stopped, and is an intervention."""

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.interventions.contract import CHECKS
from whence.core.errors import BusyError, DamagedError, MethodError, RunError
from whence.core.locks import hold
from whence.interventions import Documents, make_bank, open_bank, random_subsets
from whence.models import values
from whence.training import many, open_run

SKIPPED = {"values_do_not_depend_on_the_batch"}  # a replay has no batch to choose


@pytest.fixture(scope="module")
def questions(quick_run):
    return quick_run.questions


@pytest.fixture(scope="module")
def bank(quick_run, tmp_path_factory):
    place = tmp_path_factory.mktemp("bank") / "b"
    return make_bank(quick_run.run, place, 3, groups=quick_run.groups, workers=1)


@pytest.mark.parametrize("check", [c for c in CHECKS if c.__name__ not in SKIPPED])
def test_contract(check, bank, questions, quick_run):
    check(bank, questions, values(quick_run.run.model(), questions))


def test_it_measures_what_documents_measure(bank, questions, quick_run):
    plain = Documents(quick_run.run, groups=quick_run.groups, workers=1)
    np.testing.assert_array_equal(
        bank.measure(questions, bank.keep), plain.measure(questions, bank.keep)
    )


def test_what_was_measured_is_looked_up(bank, questions, monkeypatch):
    found = bank.measure(questions, bank.keep)
    again = open_bank(bank.path)
    monkeypatch.setattr(type(again.run), "replay_many", None)
    np.testing.assert_array_equal(again.measure(questions[::-1], again.keep), found[::-1])
    assert again.behaviors()[: len(questions)] == tuple(questions)


def test_an_interrupted_bank_goes_on_and_is_the_same(quick_run, tmp_path, monkeypatch):
    made, real = [], many.make_replay

    def killed(run, wanted):
        if len(made) == 1:
            raise KeyboardInterrupt
        made.append(real(run, wanted))
        return made[-1]

    options = {"groups": quick_run.groups, "workers": 1, "seed": 5, "stack": 1}
    with monkeypatch.context() as patched:
        patched.setattr(many, "make_replay", killed)
        with pytest.raises(KeyboardInterrupt):
            make_bank(quick_run.run, tmp_path / "b", 2, **options)
    assert len(made) == 1
    (made[0] / "mark").touch()
    bank = make_bank(quick_run.run, tmp_path / "b", 2, **options)
    assert (made[0] / "mark").exists()  # it was not made twice
    np.testing.assert_array_equal(bank.keep, random_subsets(len(bank.causes), 2, seed=5))


KILLED = """
import os, signal, sys
from whence.interventions import make_bank
from whence.training import loop, many, open_run
loop.SAVE_EVERY_SECONDS = many.SAVE_EVERY_SECONDS = 0.0
real, steps = loop.advance, []
def advance(*given):
    steps.append(real(*given))
    if len(steps) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return steps[-1]
loop.advance = advance
make_bank(open_run(sys.argv[1]), sys.argv[2], 2, workers=1, engine="serial", stack=1, seed=6)
"""


def test_a_bank_killed_between_two_steps_has_the_bytes_of_an_unbroken_one(quick_run, tmp_path):
    run, copy = quick_run.run, tmp_path / "copy"
    shutil.copytree(run.path, copy, ignore=shutil.ignore_patterns("replays"))
    place = tmp_path / "b"
    after = run.steps + run.steps // 2  # one is whole, the second in the middle
    arguments = [sys.executable, "-c", KILLED, str(copy), str(place), str(after)]
    done = subprocess.run(arguments, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert len(list((copy / "replays").glob("[!.]*"))) == 1
    options = {"workers": 1, "engine": "serial", "stack": 1, "seed": 6}
    bank = make_bank(open_run(copy), place, 2, **options)
    unbroken = make_bank(run, tmp_path / "unbroken", 2, **options)
    np.testing.assert_array_equal(bank.keep, unbroken.keep)
    for weights in bank.keep.astype(float):
        pair = [each.replay(weights) for each in (bank.run, run)]
        assert pair[0].model_digest == pair[1].model_digest
    assert not list((copy / "replays").glob(".*"))


def test_more_subsets_keep_the_first(bank, quick_run):
    before = bank.keep
    longer = make_bank(quick_run.run, bank.path, 4, groups=quick_run.groups, workers=1)
    np.testing.assert_array_equal(longer.keep[:3], before)
    fewer = make_bank(quick_run.run, bank.path, 2, groups=quick_run.groups, workers=1)
    assert len(fewer.keep) == 4


def test_another_bank_is_not_mixed_with_this_one(bank, quick_run):
    with pytest.raises(RunError, match="seed"):
        make_bank(quick_run.run, bank.path, 3, groups=quick_run.groups, seed=1)
    with pytest.raises(RunError, match="groups"):
        make_bank(quick_run.run, bank.path, 3)


def test_a_bank_that_is_not_there_or_altered_is_told(bank, tmp_path):
    with pytest.raises(RunError, match=r"bank\.json"):
        open_bank(tmp_path)
    data = (bank.path / "subsets.npy").read_bytes()
    try:
        altered = data[:-1] + bytes([data[-1] ^ 1])
        (bank.path / "subsets.npy").write_bytes(altered)
        with pytest.raises(DamagedError, match="subsets"):
            open_bank(bank.path)
    finally:
        (bank.path / "subsets.npy").write_bytes(data)


def test_two_writers_are_kept_apart(bank, questions):
    new = random_subsets(len(bank.causes), 1, seed=77)
    with hold(bank.path), pytest.raises(BusyError):
        bank.measure(questions, new)


def test_likelihoods_are_those_of_the_retrained_models(bank, quick_run):
    found = bank.likelihoods()
    assert found.shape == (len(bank.keep), quick_run.run.corpus().n_documents)
    # A document's log-likelihood, by transformers' own loss.
    import torch

    corpus = quick_run.run.corpus()
    model = quick_run.run.replay(bank.documents.weights(bank.keep[1])).model()
    ids = [*corpus.start_tokens, *corpus.document(7).tokens.tolist(), *corpus.end_tokens]
    row = torch.tensor([ids])
    with torch.no_grad():
        loss = model.module(input_ids=row, labels=row).loss
    assert found[1, 7] == pytest.approx(-float(loss) * (len(ids) - 1), rel=1e-4)
    np.testing.assert_array_equal(bank.likelihoods(), found)


def test_the_record_says_what_it_is(bank, quick_run):
    record = json.loads((bank.path / "bank.json").read_text())
    assert record["run"] == quick_run.run.digest
    assert (record["share"], record["seed"]) == (0.5, 0)


def test_subsets_of_equal_size_and_free_ones():
    equal = random_subsets(9, 40, share=0.3)
    assert set(equal.sum(1)) == {3}
    free = random_subsets(9, 400, share=0.3, sizes="free")
    assert free.mean() == pytest.approx(0.3, abs=0.03)
    assert free.any(1).all()
    assert not free.all(1).any()
    np.testing.assert_array_equal(random_subsets(9, 10, share=0.3), equal[:10])
    with pytest.raises(MethodError, match="between 0 and 1"):
        random_subsets(9, 1, share=1.0)


def test_kept_documents_are_the_members_of_what_was_kept(bank, quick_run):
    ids = quick_run.run.corpus().ids
    for row, kept in zip(bank.keep, bank.kept_documents, strict=True):
        names = {
            m for cause, stays in zip(bank.causes, row, strict=True) if stays for m in cause.members
        }
        assert {ids[int(i)] for i in np.flatnonzero(kept)} == names
