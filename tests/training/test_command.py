from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from whence.cli.train import train
from whence.core.errors import RunError
from whence.training import open_run

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(train)


def call(*words):
    return CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)


def test_train_prints_the_record(corpus, tmp_path):
    options = ("--steps", 3, "--context", 16, "--rows", 2)
    given = call(corpus.path, "-o", tmp_path / "r", *options, "--json")
    record = json.loads(given.stdout)
    run = open_run(tmp_path / "r")
    assert record["digest"] == run.digest
    assert record["plan"]["steps"] == 3
    assert record["last"] == run.journal()[-1]
    assert "3 steps" in call(corpus.path, "-o", tmp_path / "r", *options).stdout


def test_train_refuses(corpus, tmp_path):
    with pytest.raises(RunError, match="at least 2 tokens"):
        call(corpus.path, "-o", tmp_path / "r", "--context", 1)
