"""Pages that show files and what they print; run as a module, it brings every page up to date.

    python -m tests.house.pages

In a page, `<!-- file: PATH -->` stands above a block that is that file, word for word, and
`<!-- output: EXAMPLE -->` above a block that is what the example prints. Decimals and blanks
of an output may differ from machine to machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.house.source import PACKAGE

ROOT = PACKAGE.parents[1]
EXAMPLES = ROOT / "docs" / "examples"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

ORDER = [
    "make_documents.py",
    "build_a_corpus.py",
    "search_a_corpus.sh",
    "search_by_commands.sh",
    "trace_a_text.py",
    "ask_the_corpus.sh",
    "look_at_a_corpus.sh",
    "check_a_benchmark.py",
    "frequency_and_accuracy.py",
    "search_with_an_index.py",
    "record_a_training.py",
    "judge_own_scores.py",
    "record_own_loop.py",
    "record_a_trainer.py",
    "explain_a_behavior.py",
    "read_a_record.py",
    "solve_logic.py",
    "rank_by_paths.py",
    "reproduce_a_result.py",
    "explain_a_checkpoint.py",
    "find_a_circuit.py",
    "solve_with_programs.py",
    "score_programs.sh",
    "check_answers.sh",
    "search_over_steps.py",
    "search_by_a_model.sh",
    "make_problems.sh",
]
"""The examples as a newcomer meets them; each may use what those before it left behind."""

FILE = re.compile(r"(<!-- file: (\S+) -->\n+```\w+\n)(.*?)(```\n)", re.DOTALL)
OUTPUT = re.compile(r"(<!-- output: (\S+) -->\n+```\w*\n)(.*?)(```\n)", re.DOTALL)


def run(name: str, folder: Path) -> str:
    """What an example prints, run as a user runs it."""
    command = [sys.executable, "-W", "error"] if name.endswith(".py") else ["bash", "-eu"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, EXAMPLES / name],
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "100", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def main() -> None:
    """Run every example and write files and outputs into the pages."""
    with tempfile.TemporaryDirectory() as folder:
        printed = {name: run(name, Path(folder)) for name in ORDER}
    for page in PAGES:
        before = page.read_text()
        after = FILE.sub(lambda m: m[1] + (ROOT / m[2]).read_text() + m[4], before)
        after = OUTPUT.sub(lambda m: m[1] + printed[m[2]].rstrip() + "\n" + m[4], after)
        if after != before:
            page.write_text(after)
            print(f"written: {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
