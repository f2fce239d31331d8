"""The index beside infini-gram and tokengrams: same tokens, same questions, same answers.

    python benchmarks/index_peers.py CORPUS PEERS [--tokens N] [--work FOLDER]

CORPUS is one of `whence corpus build` with fewer than 65,536 kinds of tokens; the first N tokens
of it are taken, at most. PEERS is the Python of an environment of their own:

    python -m venv peers && peers/bin/pip install infini-gram==2.6.0 tokengrams==0.3.3

Both get the documents with token 65,535 before each, which keeps their matches inside documents.
Every answer that a peer gives is compared with ours; one that differs ends the program.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from whence.corpus import open_corpus
from whence.corpus.index.shard import Source, build_shard, default_threads, open_shard
from whence.corpus.index.sharded import ShardedIndex

SEPARATOR = 65_535
BATCH, SINGLE, TEXTS, CONTEXTS = 1_000_000, 2000, 20, 200


class Silent:
    def update(self, n=1):
        pass

    def set_postfix_str(self, s="", refresh=True):
        pass


def prepare(corpus, tokens, work):
    """The first documents, as we take them and as the peers do."""
    last = int(np.searchsorted(corpus.offsets, tokens, side="right")) - 1
    source = Source(corpus.tokens, corpus.offsets, corpus.vocabulary_size, "corpus").part(0, last)
    lengths = np.diff(source.bounds)
    starts = source.bounds[:-1] + np.arange(last)
    stream = np.full(len(source.tokens) + last, SEPARATOR, np.uint16)
    inside = np.ones(len(stream), bool)
    inside[starts] = False
    stream[inside] = source.tokens
    assert lengths.min() > 0
    for name in ("infini", "tokengrams"):
        shutil.rmtree(work / name, ignore_errors=True)
        (work / name).mkdir(parents=True)
    stream.tofile(work / "infini" / "tokenized.0")
    (starts * 2).astype(np.uint64).tofile(work / "infini" / "offset.0")
    stream.tofile(work / "tokengrams" / "tokens.bin")
    return source


def ask(source):
    """Questions that all are asked: counts of five tokens, contexts, texts of 256 tokens."""
    rng = np.random.default_rng(0)
    n = len(source.tokens)

    def within(length, count):
        places = rng.integers(0, n - length, 2 * count)
        document = np.searchsorted(source.bounds, places, side="right")
        return places[places + length <= source.bounds[document]][:count]

    return {
        "fives": [source.tokens[p : p + 5].tolist() for p in within(5, SINGLE)],
        "batch": [source.tokens[p : p + 5].tolist() for p in within(5, BATCH)],
        "three": [source.tokens[p : p + 3].tolist() for p in within(3, CONTEXTS)],
        "one": [source.tokens[p : p + 1].tolist() for p in within(1, CONTEXTS // 5)],
        "texts": mixed(source, rng, within),
    }


def mixed(source, rng, within):
    """Texts as a model might write them: pieces of documents, put together anew."""
    texts = []
    for _ in range(TEXTS):
        parts = [source.tokens[p : p + int(rng.integers(3, 25))].tolist() for p in within(25, 30)]
        texts.append([token for part in parts for token in part][:256])
    return texts


def each(work, questions):
    """Seconds of each question, asked one after another, and the answers."""
    seconds, answers = [], []
    for question in questions:
        begun = time.perf_counter()
        answers.append(work(question))
        seconds.append(time.perf_counter() - begun)
    return seconds, answers


def ours(source, questions, work, threads):
    folder = work / "ours"
    shutil.rmtree(folder, ignore_errors=True)
    begun, busy = time.perf_counter(), time.process_time()
    build_shard(source, folder, {}, threads=threads, room=len(source.tokens) // 4, shown=Silent())
    found = {
        "build": time.perf_counter() - begun,
        "build_cpu": time.process_time() - busy,
        "build_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "bytes": sum(path.stat().st_size for path in folder.iterdir()) + 2 * len(source.tokens),
    }
    begun = time.perf_counter()
    shard = open_shard(source, folder, 0, {})
    index = ShardedIndex((shard,), threads, (open_shard, ()))
    found["open"] = time.perf_counter() - begun
    batch = np.array(questions["batch"], np.uint16)
    index.count_many(batch[:1000])
    begun = time.perf_counter()
    counts = index.count_many(batch)
    found["batch"] = [(time.perf_counter() - begun) / len(batch)]
    begun = time.perf_counter()
    assert (index.count_many(questions["batch"]) == counts).all()
    found["batch of lists"] = [(time.perf_counter() - begun) / len(batch)]
    found["batch answers"] = counts[:SINGLE].tolist()
    found["count"], found["count answers"] = each(index.count, questions["fives"])
    for name in ("three", "one"):
        seconds, answers = each(index.next, questions[name])
        found[f"next {name}"] = seconds
        found[f"next {name} answers"] = [
            dict(zip(a.tokens.tolist(), a.counts.tolist(), strict=True)) for a in answers
        ]
    seconds, answers = each(index.longest_matches, questions["texts"])
    found["longest"], found["longest answers"] = seconds, [a.lengths.tolist() for a in answers]
    found["infinity"] = each(index.infinity_probabilities, questions["texts"])[0]

    def fetch(query):
        bounds = source.bounds
        places = index.locate(query, 10)
        return [source.tokens[bounds[o.document] : bounds[o.document + 1]] for o in places]

    found["fetch"] = each(fetch, questions["fives"][:500])[0]
    return found


def peer(python, kind, work):
    command = [
        python,
        str(Path(__file__).with_name("index_peer.py")),
        kind,
        str(work / kind),
        str(work / "questions.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{kind}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(mine, other, kind):
    """Ends the program where a peer's answer is not ours."""
    for name in [name for name in other if name.endswith("answers")]:
        for i, (a, b) in enumerate(zip(mine[name], other[name], strict=False)):
            there = {int(t): c for t, c in b.items()} if isinstance(b, dict) else b
            assert a == there, f"{kind}, {name} {i}: {a} here, {there} there"


ROWS = [
    ("build, wall", "build", 1, "s"),
    ("build, processor", "build_cpu", 1, "s"),
    ("build, peak memory of a process", "build_memory", 1e-9, "GB"),
    ("on disk, tokens included", "bytes", None, "bytes/token"),
    ("open", "open", 1e3, "ms"),
    ("count of 5 tokens, one by one", "count", 1e6, "us"),
    ("count of 5 tokens, a million at once, each", "batch", 1e6, "us"),
    ("the same from lists", "batch of lists", 1e6, "us"),
    ("next tokens after 3, exact", "next three", 1e6, "us"),
    ("next tokens after 1, exact", "next one", 1e6, "us"),
    ("longest matches of 256 tokens", "longest", 1e3, "ms"),
    ("infinity-gram probabilities of 256 tokens", "infinity", 1e3, "ms"),
    ("locate and fetch 10 documents", "fetch", 1e6, "us"),
]


def value(found, name, scale, tokens):
    if name not in found:
        return None
    number = found[name]
    if isinstance(number, list):
        number = float(np.median(number))
    return number / tokens if scale is None else number * scale


def table(results, tokens):
    ours_, *others = results.items()
    lines = [
        "| work (medians) | Whence | " + " | ".join(f"{n} | ratio" for n, _ in others) + " |",
        "|---" * (2 + 2 * len(others)) + "|",
    ]
    for what, name, scale, unit in ROWS:
        mine = value(ours_[1], name, scale, tokens)
        cells = [f"{mine:,.3g} {unit}"]
        for _, found in others:
            other = value(found, name, scale, tokens)
            cells += ["-", "-"] if other is None else [f"{other:,.3g}", f"{other / mine:.1f}"]
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("peers", type=str)
    parser.add_argument("--tokens", type=int, default=76_200_000)
    parser.add_argument("--work", type=Path, default=Path("index_peers"))
    parser.add_argument("--threads", type=int, default=default_threads())
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    work = options.work.absolute()
    source = prepare(open_corpus(options.corpus), options.tokens, work)
    questions = ask(source)
    some = {**questions, "some": questions["batch"][:SINGLE]}
    (work / "questions.json").write_text(
        json.dumps({name: rows for name, rows in some.items() if name != "batch"})
    )
    results = {"Whence": ours(source, questions, work, options.threads)}
    print(f"{len(source.tokens):,} tokens, {len(source.bounds) - 1:,} documents", flush=True)
    for kind in ("infini", "tokengrams"):
        results[kind] = peer(options.peers, kind, work)
        compare(results["Whence"], results[kind], kind)
    print(table(results, len(source.tokens)))


if __name__ == "__main__":
    main()
