"""Kill the making of a bank at random moments, go on, and compare every byte with an unbroken one.

    python benchmarks/kill_bank.py --kills 20

A small run is trained once. One bank of random subsets is made without interruption; another, on
a copy of the run, is killed (SIGKILL) after a random time, again and again, each time by a new
process that goes on with it, and then allowed to end. States are saved every step, so that kills
fall into saving as well as into training. Whatever lies under a sealed name after a kill must be
whole, no finished replay may be made twice, and in the end every replay must have the bytes of
the unbroken bank. Prints one JSON object; exit code 1 when anything differs.

The killed process is a fork of this one, which has one thread: a fresh one would spend most of
its life on imports, where nothing can go wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch

from whence.core.records import MANIFEST, check_digests, digest_file
from whence.corpus import BuildSettings, RawDocument, build_from_documents
from whence.interventions import make_bank
from whence.training import Recipe, Run, loop, many, open_run, train


def small_run(folder: Path) -> Run:
    names = ["ada", "bob", "cleo", "dan", "eva", "finn", "gus", "hana"]
    texts = [f"{a} likes {b}, they say" for a in names for b in names if a != b]
    documents = [RawDocument(f"d{i}", text) for i, text in enumerate(texts)]
    corpus = build_from_documents(documents, folder / "corpus", BuildSettings(vocab_size=300))
    return train(corpus, folder / "run", Recipe(context=24, rows=4, steps=20, checkpoint_every=5))


def make(run: Path, bank: Path, subsets: int, stack: int) -> None:
    make_bank(open_run(run), bank, subsets, workers=1, engine="serial", stack=stack)


def killed(seconds: float, *arguments: object) -> bool:
    """Start it in a process of its own and kill that; whether it was still at work."""
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        make(*arguments)  # type: ignore[arg-type]
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("the bank could not be made")
    return os.WIFSIGNALED(status)


def finished(run: Path) -> dict[str, str]:
    """The sealed replays, each whole, by name: digest of the model, and when it was made."""
    found = {}
    for place in sorted((run / "replays").glob("[!.]*")):
        check_digests(place)
        stat = (place / MANIFEST).stat()
        model = digest_file(place / "model" / "model.safetensors")
        found[place.name] = f"{model} {stat.st_ino} {stat.st_mtime_ns}"
    return found


def models(run: Path) -> dict[str, str]:
    return {name: told.split()[0] for name, told in finished(run).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--subsets", type=int, default=24)
    parser.add_argument("--stack", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    loop.SAVE_EVERY_SECONDS = many.SAVE_EVERY_SECONDS = 0.0
    rng, made_twice, kills, attempts = random.Random(given.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small_run(folder)
        broken = folder / "broken"
        shutil.copytree(folder / "run", broken)
        start = time.perf_counter()
        make(folder / "run", folder / "bank", given.subsets, given.stack)
        whole = time.perf_counter() - start
        before: dict[str, str] = {}
        while kills < given.kills and attempts < 10 * given.kills:
            attempts += 1
            bank = folder / "bank-broken"
            kills += killed(rng.uniform(0, 0.4 * whole), broken, bank, given.subsets, given.stack)
            after = finished(broken)
            made_twice += sum(after.get(k) != told for k, told in before.items())
            before = after
            if len(after) == given.subsets:  # begin a new one: there is more to kill
                shutil.rmtree(broken / "replays")
                shutil.rmtree(bank)
                before = {}
        make(broken, bank, given.subsets, given.stack)
        equal = models(folder / "run") == models(broken)
        hidden = [p.name for p in (broken / "replays").glob(".*")]
        same = (folder / "bank" / "subsets.npy").read_bytes() == (bank / "subsets.npy").read_bytes()
    result = {
        "kills": kills,
        "subsets": given.subsets,
        "equal": equal and same,
        "made twice": made_twice,
        "left behind": len(hidden),
    }
    print(json.dumps(result))
    sys.exit(0 if equal and same and not made_twice else 1)


if __name__ == "__main__":
    main()
