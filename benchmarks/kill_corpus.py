"""Kill a corpus build 20 times at random moments; the result must not show it.

    python benchmarks/kill_corpus.py [kills] [megabytes]

Each attempt goes on where the last one was killed. As soon as one ends by itself, everything
is removed and the next build begins, until there were enough kills; every finished corpus,
index included, must have the bytes of an unbroken build.
"""

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from whence.core.records import canonical, manifest
from whence.corpus import open_corpus

CHILD = """
import sys
from whence.corpus import BuildSettings, build
build.PART_DOCUMENTS = 100
print("ready", flush=True)
settings = BuildSettings(vocab_size=1024, max_tokens=200)
build.build_corpus([sys.argv[1]], sys.argv[2], settings).index()
"""


def write_source(path: Path, megabytes: float) -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(5000)]
    with path.open("w") as file:
        while file.tell() < megabytes * 1e6:
            text = " ".join(rng.choices(words, k=400))
            file.write(json.dumps({"text": text, "n": file.tell()}) + "\n")


def start(source: Path, out: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(source), str(out)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def sealed(folder: Path) -> str:
    return canonical([manifest(folder), manifest(folder / "index")]).decode()


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    megabytes = float(sys.argv[2]) if len(sys.argv) > 2 else 5
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_source(folder / "s.jsonl", megabytes)
        begun = time.monotonic()
        assert start(folder / "s.jsonl", folder / "whole").wait() == 0
        seconds = time.monotonic() - begun
        truth, kills, finished, stages = sealed(folder / "whole"), 0, 0, {}
        while kills < wanted or not finished:
            process = start(folder / "s.jsonl", folder / "c")
            time.sleep(rng.random() * seconds * (0.6 if kills < wanted else 100))
            process.send_signal(signal.SIGKILL)
            killed = process.wait() == -signal.SIGKILL
            if killed:
                kills += 1
                parts = len(list((folder / ".c.build").glob("part-*")))
                stage = f"{parts} parts" if parts else "the tokenizer"
                if (folder / "c").exists():
                    open_corpus(folder / "c")
                    stage = "indexing"
                elif (folder / ".c.partial").exists():
                    stage = "assembling"
                stages[stage] = stages.get(stage, 0) + 1
            else:
                finished += 1
                assert sealed(folder / "c") == truth, "the bytes differ"
                shutil.rmtree(folder / "c")
        print(f"unbroken build: {seconds:.1f} s")
        print(f"{kills} kills, {finished} corpora finished after them, all with equal bytes")
        for stage, times in sorted(stages.items()):
            print(f"  killed {times:2d} times at {stage}")


if __name__ == "__main__":
    main()
