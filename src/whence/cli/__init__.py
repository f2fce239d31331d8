"""The command line: thin commands over the rooms.

    corpus     build, show, fetch, count, find, next, together, rank, trace, index,
               perplexity, sample, tree, stats, dedup, filter,
               tasks, novelty, contamination, decontaminate, facts
    train      record a training, replay it
    explain    the main job
    circuit    which edges between parts carry a behavior
    bank       train a run again on random subsets of its documents
    scores     scores from another program, made readable
    judge      methods beside one another, judged by a bank
    memorization   what seeing documents did to the model's grasp of them
    solve      programs, answers, logic, paths: reasoning that can be checked
    demo       all of it on this machine
    check      read every byte of a folder and compare it with its manifest

Rooms are imported when a command runs, so that `whence --help` loads no torch. A fault
that the user can mend ends in one message and exit code 2; anything else is a bug and
keeps its trace.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

import typer
from rich.console import Console

from whence.cli.bank import bank
from whence.cli.check import check
from whence.cli.circuit import circuit
from whence.cli.corpus import app as corpus
from whence.cli.demo import demo
from whence.cli.explain import explain
from whence.cli.judge import judge
from whence.cli.memorization import memorization
from whence.cli.ngrams import perplexity, sample, tree
from whence.cli.scores import scores
from whence.cli.solve import app as solve
from whence.cli.statistics import dedup, filter_documents, stats
from whence.cli.tasks import contamination, decontaminate, facts, novelty, tasks
from whence.cli.trace import trace
from whence.cli.train import train
from whence.core.errors import UserError

_INTERRUPTED = 130

app = typer.Typer(
    name="whence",
    help="Why did a language model do that? Documents, components and prompt tokens on one "
    "scale, in nats, each tested by removal.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
corpus.command("filter")(filter_documents)
_OF_A_CORPUS: tuple[Callable[..., None], ...] = (
    *(trace, perplexity, sample, tree, stats, dedup),
    *(tasks, novelty, contamination, decontaminate, facts),
)
for _command in _OF_A_CORPUS:
    corpus.command(_command.__name__)(_command)
app.add_typer(corpus, name="corpus", help="Text in, addressable tokens out.")
app.command("train")(train)
app.command("explain")(explain)
app.command("circuit")(circuit)
app.command("bank")(bank)
app.command("judge")(judge)
app.command("scores")(scores)
app.command("memorization")(memorization)
app.add_typer(solve, name="solve", help="Reasoning that can be checked.")
app.command("demo")(demo)
app.command("check")(check)


def _version(wanted: bool | None) -> None:
    if wanted:
        from whence import __version__

        typer.echo(f"whence {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool | None = typer.Option(
        None, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    del version


def main() -> None:
    """Run the command line; the console script of the package."""
    try:
        app()
    except UserError as error:
        _complain(str(error))
        sys.exit(2)
    except BrokenPipeError:
        # The reader went away (`whence ... | head`): not worth a word, and the
        # interpreter must not try to flush into the closed pipe on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _complain(
            f"{error.filename or 'disk'}: expected room to write, got a full disk. "
            "Free some space, then run the same command again."
        )
        sys.exit(2)
    except SystemExit as end:
        # Typer makes a silent exit of an interruption.
        if end.code == _INTERRUPTED:
            _complain("interrupted; the same command goes on where it stopped")
        raise


def _complain(message: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print("[red]error:[/red] ", end="")
    print(message, file=sys.stderr)
