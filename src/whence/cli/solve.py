"""`whence solve`: reasoning that can be checked, each sub-command in a file of its own."""

from __future__ import annotations

from collections.abc import Callable

import typer

from whence.cli.solve_answers import answers
from whence.cli.solve_logic import logic
from whence.cli.solve_make import make
from whence.cli.solve_paths import paths
from whence.cli.solve_programs import programs
from whence.cli.solve_questions import questions
from whence.cli.solve_search import choices, rule, search

app = typer.Typer(
    help="Solve in steps that a machine can check, and score what was solved.",
    no_args_is_help=True,
)

_SOLVERS: tuple[Callable[..., None], ...] = (
    *(answers, choices, logic, make, paths, programs),
    *(questions, rule, search),
)
for _command in _SOLVERS:
    app.command(_command.__name__)(_command)


@app.callback()
def _root() -> None:
    """Without it an application of one command would not have sub-commands."""
