from __future__ import annotations

from whence.core.records import read_json
from whence.explain.subject import open_subject
from whence.training import Run, open_run


def test_a_run_takes_its_corpus_from_where_it_is_now(demo_run, tmp_path):
    place = demo_run.corpus().path
    record = read_json(demo_run.path / "run.json")
    record["corpus"]["path"] = str(tmp_path / "gone")
    moved = Run(open_run(demo_run.path).path, record)
    assert open_subject(moved, place).run.corpus().path == place
