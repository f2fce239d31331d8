from __future__ import annotations

import shutil

import pytest

from whence.core.errors import RunError
from whence.core.records import read_json
from whence.explain import explain
from whence.explain.subject import open_subject
from whence.training import Run, open_run


def test_a_run_takes_its_corpus_from_where_it_is_now(demo_run, tmp_path):
    place = demo_run.corpus().path
    record = read_json(demo_run.path / "run.json")
    record["corpus"]["path"] = str(tmp_path / "gone")
    moved = Run(open_run(demo_run.path).path, record)
    assert open_subject(moved, place).run.corpus().path == place


def test_tokens_need_no_corpus(demo_run, demo_world, tmp_path):
    shutil.copytree(demo_run.path, tmp_path / "run", ignore=shutil.ignore_patterns("replays"))
    record = read_json(tmp_path / "run" / "run.json")
    record["corpus"]["path"] = str(tmp_path / "gone")
    moved = Run(tmp_path / "run", record)
    behavior = demo_world.questions()[0]
    assert explain(moved, behavior, by=["token"]).record["corpus"] is None
    with pytest.raises(RunError, match="gone"):
        explain(moved, behavior, by=["token", "component"])
