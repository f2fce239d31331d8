"""Whatever is typed wrong ends in one message and exit code 2, never in a trace."""

import json
import subprocess
import sys

import pytest

# Without the type checker of the tests, which would stop a wrong value before Whence sees it.
TYPING = """
import contextlib, io, json, sys, traceback
from whence.cli import main
found = []
for words in json.loads(sys.argv[1]):
    sys.argv, said, code = ["whence", *words], io.StringIO(), None
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
    found.append([code, said.getvalue()])
print(json.dumps(found))
"""


def type_all(commands, folder):
    """Exit code and output of each command line, all typed in one folder."""
    done = subprocess.run(
        [sys.executable, "-c", TYPING, json.dumps(commands)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return [tuple(pair) for pair in json.loads(done.stdout)]


MISTAKES = [
    ["explian"],
    ["--nonsense"],
    ["corpus"],
    ["corpus", "build"],
    ["corpus", "build", "nowhere", "-o", "c"],
    ["corpus", "build", ".", "-o", "c"],
    ["corpus", "build", "a.txt", "-o", "c", "--vocab-size", "3"],
    ["corpus", "build", "a.txt", "-o", "c", "--vocab-size", "many"],
    ["corpus", "show", "nowhere"],
    ["corpus", "count", "nowhere", "text"],
    ["corpus", "count", "nowhere", "text", "--until", "soon"],
    ["corpus", "count", "nowhere", "text", "--engine", "spark"],
    ["corpus", "find", "nowhere", "text", "--workers", "2"],
    ["corpus", "together", "nowhere", "one", "other", "--window", "0"],
    ["corpus", "rank", "nowhere", "words"],
    ["corpus", "fetch", "nowhere", "id"],
    ["corpus", "index", "build", "nowhere", "--engine", "ray", "--workers", "0"],
    ["corpus", "trace", "nowhere", "text"],
    ["corpus", "trace", "nowhere", "text", "--keep", "2"],
    ["corpus", "perplexity", "nowhere", "text"],
    ["corpus", "sample", "nowhere"],
    ["corpus", "tree", "nowhere", "text"],
    ["corpus", "build", "a.txt", "-o", "c", "--unreadable", "perhaps"],
    ["corpus", "stats", "nowhere"],
    ["corpus", "stats", "nowhere", "-o", "statistics.pdf"],
    ["corpus", "stats", "nowhere", "--ngrams", "two"],
    ["corpus", "dedup", "nowhere"],
    ["corpus", "filter", "nowhere", "-o", "new"],
    ["corpus", "filter", "nowhere", "-o", "new", "--characters", "letter"],
    ["corpus", "filter", "nowhere", "-o", "new", "--where", "lang"],
    ["corpus", "filter", "nowhere", "-o", "new", "--copied", "7"],
    ["corpus", "tasks", "nowhere", "examples.jsonl"],
    ["corpus", "tasks", "nowhere", "examples.jsonl", "--model", "nowhere"],
    ["corpus", "novelty", "nowhere", "texts.jsonl"],
    ["corpus", "contamination", "nowhere", "benchmark.jsonl"],
    ["corpus", "decontaminate", "nowhere", "benchmark.jsonl"],
    ["corpus", "facts", "nowhere", "facts.jsonl"],
    ["corpus", "facts", "nowhere", "facts.jsonl", "-o", "facts.pdf"],
    ["train", "nowhere", "-o", "r"],
    ["train", "nowhere"],
    ["train", "nowhere", "-o", "r", "--size", "huge"],
    ["memorization", "nowhere"],
    ["memorization", "nowhere", "-o", "page.pdf"],
    ["memorization", "nowhere", "--steps", "all"],
    ["scores", "nowhere", "--run", "r", "--behaviors", "b.jsonl", "-o", "s"],
    ["bank", "nowhere", "-o", "b", "--engine", "cloud"],
    ["judge", "nowhere", "--by", "components", "-o", "judged.pdf"],
    ["explain", "nowhere", "a prompt"],
    ["explain", "nowhere"],
    ["explain", "nowhere", "a prompt", "--target", ""],
    ["explain", "nowhere", "a prompt", "--by", "neurons"],
    ["explain", "nowhere", "a prompt", "-o", "report.pdf"],
    ["explain", "nowhere", "a prompt", "--behaviors", "missing.jsonl"],
    ["explain", "nowhere", "a prompt", "-o", "/proc/nowhere/report.html"],
    ["corpus", "build", "/usr/share/common-licenses", "-o", "/proc/nowhere/c"],
    ["circuit", "nowhere", "a prompt"],
    ["circuit", "nowhere"],
    ["circuit", "nowhere", "a prompt", "--way", "guess"],
    ["circuit", "nowhere", "a prompt", "-o", "circuit.pdf"],
    ["circuit", "nowhere", "a prompt", "--of", "edge,head"],
    ["circuit", "nowhere", "a prompt", "--of", "head", "--way", "eap"],
    ["circuit", "nowhere", "a prompt", "--positions", "first"],
    ["circuit", "nowhere", "a prompt", "--replacement", "resample", "--resamples", "0"],
    ["circuit", "nowhere", "a prompt", "--routes"],
    ["bank", "nowhere", "-o", "b"],
    ["bank", "nowhere", "-o", "b", "--share", "2"],
    ["bank"],
    ["judge", "nowhere"],
    ["judge", "nowhere", "--bank", "nowhere"],
    ["judge", "nowhere", "--by", "neurons"],
    ["solve"],
    ["solve", "programs"],
    ["solve", "programs", "nowhere.jsonl"],
    ["solve", "programs", "nowhere.jsonl", "--rule", "lenient"],
    ["solve", "programs", "nowhere.jsonl", "--rerun", "--workers", "0"],
    ["solve", "answers", "nowhere.json"],
    ["solve", "answers", "nowhere.json", "said.json"],
    ["solve", "answers", "nowhere.json", "--constant", "--dataset", "squad"],
    ["solve", "logic", "nowhere.json", "--dataset", "ProntoQA"],
    ["solve", "logic", "nowhere.json", "--dataset", "Pronto"],
    ["solve", "logic", "nowhere.json", "--dataset", "FOLIO", "--wide", "--as-released"],
    ["solve", "questions", "nowhere.jsonl", "--model", "said.jsonl"],
    ["solve", "search", "q", "--model", "nowhere.jsonl"],
    ["solve", "search", "q", "--model", "nowhere.jsonl", "--by", "luck"],
    ["solve", "search", "@nowhere", "--model", "nowhere.jsonl"],
    ["solve", "choices", "nowhere.json", "--model", "said.jsonl"],
    ["solve", "rule", "nowhere.json", "--model", "said.jsonl"],
    ["solve", "make", "riddles", "-o", "p.json"],
    ["solve", "make", "causation", "-o", "p.json", "--variables", "9"],
    ["solve", "paths", "nowhere", "--max-length", "2"],
    ["solve", "paths", ".", "--max-length", "0"],
    ["check", "nowhere"],
    ["check", "."],
]


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("typed")
    answers = type_all([*MISTAKES, ["--version"]], folder)
    return dict(zip(map(tuple, [*MISTAKES, ["--version"]]), answers, strict=True)), folder


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_a_mistake_is_said_in_one_message(words, typed):
    code, said = typed[0][tuple(words)]
    assert code == 2, said
    assert said.strip()
    assert "Traceback" not in said


def test_a_mistake_leaves_nothing_behind(typed):
    assert sorted(path.name for path in typed[1].iterdir()) == []


def test_the_version(typed):
    from whence import __version__

    code, said = typed[0]["--version",]
    assert not code
    assert said == f"whence {__version__}\n"


def test_an_interruption_is_told(tmp_path):
    (tmp_path / "manifest.json").touch()
    interrupted = (
        "import sys; from whence.cli import main\n"
        "def interrupted(*_): raise KeyboardInterrupt\n"
        "sys.modules['whence.cli.check'].check_digests = interrupted\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", interrupted, "check", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130
    assert done.stderr == "error: interrupted; the same command goes on where it stopped\n"


def test_help_shows_every_word_that_was_written():
    """Rich takes what stands in square brackets for markup, and leaves it out."""
    import typer
    from rich.text import Text

    from whence.cli import app

    def helps(command, path):
        yield path, command.help or ""
        for parameter in command.params:
            yield f"{path} {parameter.name}", getattr(parameter, "help", None) or ""
        for name, inner in getattr(command, "commands", {}).items():
            yield from helps(inner, f"{path} {name}")

    lost = [
        f"{place}: {said}"
        for place, said in helps(typer.main.get_command(app), "whence")
        if Text.from_markup(said).plain != said
    ]
    assert not lost, "\n".join(lost)
