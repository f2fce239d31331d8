"""What does an index cost, by the size of the corpus and the number of shards?

    python benchmarks/index_cost.py text CORPUS FOLDER --tokens 500000000
    python benchmarks/index_cost.py build FOLDER --tokens 100000000
    python benchmarks/index_cost.py ask FOLDER --tokens 100000000 --shards 16 [--cold]
    python benchmarks/index_cost.py model FOLDER

`text` draws tokens from a trigram model of a corpus's text: each step goes from a place of the
corpus to the one after a random other place with the same two tokens before it. That has the
corpus's common words and phrases and no long repeats, and comes at ten million tokens a second.
`build` makes an index of the first so many of them and `ask` asks it 5-grams that occur; each
measurement is a line of FOLDER/results.jsonl, so that they can be made one by one. With `--cold`
the system is asked to forget the files before each of a few fresh processes asks. `model` fits the
smaller sizes, predicts the largest, and extrapolates.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from math import log2
from pathlib import Path
from typing import Any

import numpy as np

from whence.core.progress import bar
from whence.corpus import open_corpus
from whence.corpus.index.shard import (
    Source,
    build_shard,
    memory_needed,
    open_shard,
    room_within,
)
from whence.corpus.index.sharded import ShardedIndex

BASE, WALKERS, GRAM = 1 << 25, 1 << 17, 5
SHARE = 4  # bytes of memory a token for sorting, beside what is needed: the default of an index


def draw_text(corpus_path: str, folder: Path, tokens: int) -> None:
    """Write tokens.npy and bounds.npy: drawn text, in documents as long as the corpus's."""
    corpus, draw = open_corpus(corpus_path), np.random.default_rng(0)
    base = np.asarray(corpus.tokens[:BASE])
    pair = base[:-1].astype(np.uint32) * corpus.vocabulary_size + base[1:]
    order = np.argsort(pair, kind="stable").astype(np.uint32)  # places, by their two tokens
    sorted_pairs = pair[order]
    edges = np.flatnonzero(np.diff(sorted_pairs, prepend=sorted_pairs[0] - 1))
    sizes = np.diff(np.append(edges, len(order))).astype(np.uint32)
    group = np.empty(len(order), np.uint32)
    group[order] = np.repeat(np.arange(len(edges), dtype=np.uint32), sizes)
    lengths = draw.choice(corpus.lengths, size=2 * tokens // int(corpus.lengths.mean()))
    bounds = np.minimum(np.append(0, np.cumsum(lengths)), tokens)
    np.save(folder / "bounds.npy", np.unique(bounds))
    steps = -(-tokens // WALKERS)
    drawn = np.empty((WALKERS, steps), np.uint16)
    place = draw.integers(0, len(order) - 1, WALKERS)
    for step in range(steps):
        mine = group[place]
        place = order[edges[mine] + (draw.random(WALKERS) * sizes[mine]).astype(np.int64)] + 1
        place[place >= len(order)] = 0
        drawn[:, step] = base[place + 1]
    np.save(folder / "tokens.npy", drawn.reshape(-1)[:tokens])
    (folder / "vocabulary").write_text(str(corpus.vocabulary_size))


def source_of(folder: Path, tokens: int) -> Source:
    every = np.load(folder / "tokens.npy", mmap_mode="r")
    bounds = np.load(folder / "bounds.npy")
    bounds = np.append(bounds[bounds < tokens], tokens)
    vocabulary = int((folder / "vocabulary").read_text())
    return Source(np.asarray(every[:tokens]), bounds, vocabulary, str(folder))


def parts_of(source: Source, shards: int) -> list[tuple[int, int]]:
    """Documents of each of so many shards of about the same size."""
    wanted = np.linspace(0, len(source.tokens), shards + 1)
    edges = np.searchsorted(source.bounds, wanted)
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def place_of(folder: Path, tokens: int, shards: int) -> Path:
    return folder / f"{tokens}-{shards}"


def build(folder: Path, tokens: int, shards: int, threads: int) -> dict[str, object]:
    source, place = source_of(folder, tokens), place_of(folder, tokens, shards)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    before = cpu()
    started = time.perf_counter()
    for number, (first, last) in enumerate(parts_of(source, shards)):
        part = source.part(first, last)
        size = len(part.tokens)
        room = room_within(memory_needed(size, 2) + max(SHARE * size, 1 << 25), size, 2)
        assert room is not None
        with bar("", size) as shown:
            build_shard(part, place / str(number), {}, threads=threads, room=room, shown=shown)
    seconds = time.perf_counter() - started
    disk = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    return {
        "what": "build",
        "tokens": tokens,
        "shards": shards,
        "threads": threads,
        "seconds": seconds,
        "processor_seconds": cpu() - before,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
        "index_bytes": disk,
    }


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def opened(folder: Path, tokens: int, shards: int) -> ShardedIndex:
    source, place = source_of(folder, tokens), place_of(folder, tokens, shards)
    parts = enumerate(parts_of(source, shards))
    return ShardedIndex(
        tuple(open_shard(source.part(a, b), place / str(n), a, {}) for n, (a, b) in parts),
        len(os.sched_getaffinity(0)),
        (opened, (folder, tokens, shards)),
    )


def grams(folder: Path, tokens: int, seed: int, count: int, length: int) -> np.ndarray:
    every = np.load(folder / "tokens.npy", mmap_mode="r")
    at = np.random.default_rng(seed).integers(0, tokens - length, count)
    return np.stack([every[i : i + length] for i in at]).astype(np.int64)


def ask(folder: Path, tokens: int, shards: int) -> dict[str, object]:
    """Warm latencies, in microseconds."""
    queries = grams(folder, tokens, 1, 20000, GRAM)
    texts = grams(folder, tokens, 2, 40, 256)
    started = time.perf_counter()
    index = opened(folder, tokens, shards)
    found: dict[str, object] = {"open": 1e6 * (time.perf_counter() - started)}
    index.count_many(queries)  # reads what is asked for once, so that it is warm

    def each(ask_one: object, asked: object) -> float:
        times = []
        for query in asked:  # type: ignore[attr-defined]
            started = time.perf_counter()
            ask_one(query)  # type: ignore[operator]
            times.append(1e6 * (time.perf_counter() - started))
        return statistics.median(times)

    some = list(queries[:2000])
    found["count"] = each(index.count, some)
    started = time.perf_counter()
    index.count_many(queries)
    found["count_in_a_batch"] = 1e6 * (time.perf_counter() - started) / len(queries)
    found["next_after_3"] = each(lambda query: index.next(query[:3]), some)
    found["longest_matches_of_256"] = each(index.longest_matches, texts)
    found["locate_10"] = each(lambda query: index.locate(query[:3], 10), some)
    return {"what": "ask", "tokens": tokens, "shards": shards, **found}


def forget(folder: Path, place: Path) -> None:
    """Ask the system to drop the files from its cache; no process may have them mapped."""
    for path in [folder / "tokens.npy", *place.rglob("*")]:
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ask_cold(folder: Path, tokens: int, shards: int, count: int = 20) -> dict[str, object]:
    """One query each of fresh 5-grams after the files were forgotten: milliseconds and reads."""
    queries = grams(folder, tokens, int(time.time()), count, GRAM)
    forget(folder, place_of(folder, tokens, shards))
    started = time.perf_counter()
    index = opened(folder, tokens, shards)
    opening = 1e3 * (time.perf_counter() - started)
    reads = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
    times = []
    for query in queries:
        started = time.perf_counter()
        index.count(query)
        times.append(1e3 * (time.perf_counter() - started))
    reads = resource.getrusage(resource.RUSAGE_SELF).ru_majflt - reads
    return {
        "what": "ask cold",
        "tokens": tokens,
        "shards": shards,
        "open_ms": opening,
        "first_ms": times[0],
        "median_ms": statistics.median(times[1:]),
        "reads_a_query": reads / count,
    }


def bytes_a_token(tokens: float) -> float:
    """On disk in one shard of so many 16-bit tokens, the tokens themselves included."""
    bits = int(tokens - 1).bit_length()
    return 2 + bits / 8 + 8 / 256 + 4 / 128


def model(folder: Path) -> dict[str, Any]:
    """Seconds = tokens (a + b log2 tokens), fitted to all sizes but the largest."""
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    built = [line for line in lines if line["what"] == "build" and line["shards"] == 1]
    sizes = sorted({line["tokens"] for line in built})
    found: dict[str, Any] = {"sizes": sizes}
    for name in ("seconds", "processor_seconds", "peak_bytes", "index_bytes"):
        values = [
            statistics.median(line[name] for line in built if line["tokens"] == size)
            for size in sizes
        ]
        design = np.array([[size, size * log2(size)] for size in sizes])
        if name == "peak_bytes":  # what the process is before it begins, and so much a token
            design = np.array([[1.0, size] for size in sizes])
        if name == "index_bytes":
            predicted = (bytes_a_token(sizes[-1]) - 2) * sizes[-1]
            ahead = [(bytes_a_token(n) - 2) * n for n in (1e9, 2**30)]
        else:
            weights = np.linalg.lstsq(design[:-1], np.array(values[:-1]), rcond=None)[0]
            predicted = float(design[-1] @ weights)
            row = (lambda n: [1.0, n]) if name == "peak_bytes" else (lambda n: [n, n * log2(n)])
            ahead = [float(np.array(row(n)) @ weights) for n in (1e9, 2**30)]
        found[name] = {
            "measured": values,
            "predicted_largest": predicted,
            "error": predicted / values[-1] - 1,
            "one_shard_of_1e9": ahead[0],
            "one_shard_of_2**30": ahead[1],
        }
        if name != "peak_bytes":  # shards are made one after another
            found[name]["1e12_in_shards_of_2**30"] = ahead[1] * 1e12 / 2**30
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("step", choices=["text", "build", "ask", "model"])
    parser.add_argument("places", nargs="+", help="CORPUS FOLDER for text, else FOLDER")
    parser.add_argument("--tokens", type=int, default=100_000_000)
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = Path(given.places[-1])
    folder.mkdir(parents=True, exist_ok=True)
    if given.step == "text":
        draw_text(given.places[0], folder, given.tokens)
        return
    if given.step == "model":
        print(json.dumps(model(folder), indent=1))
        return
    if given.cold and not given.once:  # each time in a process that has nothing mapped
        for _ in range(5):
            subprocess.run([sys.executable, *sys.argv, "--once"], check=True)
        return
    if given.step == "build":
        record = build(folder, given.tokens, given.shards, given.threads)
    else:
        asking = ask_cold if given.cold else ask
        record = asking(folder, given.tokens, given.shards)
    print(json.dumps(record))
    with (folder / "results.jsonl").open("a") as lines:
        lines.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
