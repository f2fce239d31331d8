"""Kill a training, and replays in workers, at random moments; finish; compare every byte.

    python benchmarks/kill_training.py --times 20

Each trial starts `train` (or `replay_many` on a fresh copy of a finished run) in a process of
its own, sends SIGKILL to its whole group at a moment drawn uniformly from the time that an
unbroken one takes, does so again with probability one half, and then lets it finish. What lies
under a sealed name right after a kill must be whole, and in the end every file but wall times
must be that of the unbroken run. Prints one JSON object; exit code 1 when a trial failed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from whence.core.errors import DamagedError
from whence.core.progress import progress
from whence.core.records import MANIFEST, check_digests, digest_file

TRAIN = """
import sys
from whence.corpus import open_corpus
from whence.training import Recipe, train
train(open_corpus(sys.argv[1]), sys.argv[2], Recipe(steps=60, context=64, rows=8))
"""
REPLAY = """
import sys
import numpy as np
from whence.training import open_run
run = open_run(sys.argv[2])
weights = np.ones((4, run.corpus().n_documents))
weights[np.arange(4), [0, 10, 20, 30]] = 0
run.replay_many(list(weights), workers=2)
"""


def make_corpus(folder: Path) -> None:
    from whence.corpus import BuildSettings, RawDocument, build_from_documents

    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefgh"), 4)) for _ in range(60)]
    texts = [" ".join(rng.choice(words, rng.integers(5, 60))) for _ in range(300)]
    documents = [RawDocument(f"d{i}", text) for i, text in enumerate(texts)]
    build_from_documents(documents, folder, BuildSettings(vocab_size=300))


def contents(folder: Path) -> dict[str, str]:
    skipped = (".lock", "timings.jsonl")
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in skipped)
    return {str(p.relative_to(folder)): digest_file(p) for p in files}


def torn(folder: Path) -> list[str]:
    """Sealed folders that are not whole, hidden unfinished ones left out."""
    found = []
    for seal in sorted(folder.rglob(MANIFEST)):
        if not any(part.endswith(".partial") for part in seal.parts):
            try:
                check_digests(seal.parent)
            except DamagedError as error:
                found.append(str(error))
    return found


def start(program: str, corpus: Path, place: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", program, str(corpus), str(place)]
    return subprocess.Popen(command, start_new_session=True, env=environment)


def kill(process: subprocess.Popen[bytes], after: float) -> None:
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def trial(
    program: str, corpus: Path, place: Path, seconds: float, rng: random.Random
) -> dict[str, object]:
    moments, broken = [], []
    while not moments or rng.random() < 0.5:
        moments.append(round(rng.uniform(0, seconds), 3))
        kill(start(program, corpus, place), moments[-1])
        time.sleep(0.2)  # workers, in a session of their own, notice that their parent is gone
        broken += torn(place)
    code = start(program, corpus, place).wait()
    return {"killed after": moments, "torn": broken, "exit code": code}


def measure(name: str, program: str, folder: Path, times: int, rng: random.Random) -> list[dict]:
    corpus, place = folder / "corpus", folder / "place"
    source = folder / "run" if name == "replay" else None

    def fresh() -> None:
        shutil.rmtree(place, ignore_errors=True)
        if source is not None:
            shutil.copytree(source, place)

    fresh()
    before = time.perf_counter()
    assert start(program, corpus, place).wait() == 0
    seconds = time.perf_counter() - before
    expected = contents(place)
    if source is None:
        shutil.copytree(place, folder / "run")
    trials = []
    for _ in progress(range(times), name):
        fresh()
        found = trial(program, corpus, place, seconds, rng)
        now = contents(place)
        names = sorted(expected.keys() | now.keys())
        different = [n for n in names if expected.get(n) != now.get(n)]
        trials.append({"what": name, **found, "different": different})
    return trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_corpus(folder / "corpus")
        trials = measure("training", TRAIN, folder, given.times, rng)
        trials += measure("replay", REPLAY, folder, given.times, rng)
    bad = [t for t in trials if t["torn"] or t["different"] or t["exit code"]]
    print(json.dumps({"trials": len(trials), "failed": bad}, indent=1))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
