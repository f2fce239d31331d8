"""The index beside infini-gram and tokengrams: same tokens, same questions, same answers.

    python benchmarks/index_peers.py CORPUS PEERS [--tokens N] [--varied] [--work FOLDER]
    python benchmarks/index_peers.py CORPUS PEERS --work FOLDER --only infini

CORPUS is one of `whence corpus build` with fewer than 65,536 kinds of tokens; the first N tokens
of it are taken, at most; with `--varied`, its runs that stand once, and more of their kind
(`varied_text`). PEERS is the Python of an environment of their own:

    python -m venv peers && peers/bin/pip install infini-gram==2.6.0 tokengrams==0.3.3

Both get the documents with token 65,535 before each, which keeps their matches inside documents.
Every answer that a peer gives is compared with ours; one that differs ends the program.

`--only` does one part (prepare, build, bounded, Whence, infini, tokengrams, table); a part keeps
what it found in the folder, so that each can have the machine to itself for a few minutes. On a
machine that others use, `--processor` takes the time of questions in the processor, all threads
added up, instead of wall time.
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
from varied_text import varied

from whence.corpus import open_corpus
from whence.corpus.index.shard import Source, build_shard, default_threads, open_shard
from whence.corpus.index.sharded import ShardedIndex

SEPARATOR = 65_535
BATCH, SINGLE, TEXTS, CONTEXTS = 1_000_000, 2000, 100, 200
BOUNDED = 16
"""Passes of a build in bounded memory: 5 bytes a token, where 8 are the default."""
PARTS = ("prepare", "build", "bounded", "Whence", "infini", "tokengrams", "table")


class Silent:
    def update(self, n=1):
        pass

    def set_postfix_str(self, s="", refresh=True):
        pass


def prepare(path, tokens, is_varied, work):
    """The documents, as we take them and as the peers do, and the questions."""
    corpus = open_corpus(path)
    if is_varied:
        taken, bounds, real = varied(corpus.tokens, corpus.offsets, tokens)
        print(f"{real:,} tokens are real text")
    else:
        last = int(np.searchsorted(corpus.offsets, tokens, side="right")) - 1
        bounds = corpus.offsets[: last + 1]
        taken = corpus.tokens[: bounds[-1]]
    np.save(work / "tokens.npy", taken)
    np.save(work / "bounds.npy", bounds)
    (work / "vocabulary").write_text(str(corpus.vocabulary_size))
    source = opened(work)
    starts = source.bounds[:-1] + np.arange(len(bounds) - 1)
    stream = np.full(len(source.tokens) + len(starts), SEPARATOR, np.uint16)
    inside = np.ones(len(stream), bool)
    inside[starts] = False
    stream[inside] = source.tokens
    assert np.diff(source.bounds).min() > 0
    for name in ("infini", "tokengrams"):
        shutil.rmtree(work / name, ignore_errors=True)
        (work / name).mkdir(parents=True)
    stream.tofile(work / "infini" / "tokenized.0")
    (starts * 2).astype(np.uint64).tofile(work / "infini" / "offset.0")
    stream.tofile(work / "tokengrams" / "tokens.bin")
    questions = ask(source)
    np.save(work / "batch.npy", np.array(questions["batch"], np.uint16))
    questions["some"] = questions.pop("batch")[:SINGLE]
    (work / "questions.json").write_text(json.dumps(questions))
    return {}


def opened(work):
    """What was prepared."""
    tokens, bounds = (np.load(work / f"{n}.npy", mmap_mode="r") for n in ("tokens", "bounds"))
    return Source(tokens, bounds, int((work / "vocabulary").read_text()), "corpus")


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


def each(work, questions, clock):
    """Seconds of each question, asked one after another, and the answers."""
    seconds, answers = [], []
    for question in questions:
        begun = clock()
        answers.append(work(question))
        seconds.append(clock() - begun)
    return seconds, answers


def build(work, threads, passes=4, name="ours"):
    """Sorting, writing and hashing the files, in a process of its own."""
    source, folder = opened(work), work / name
    shutil.rmtree(folder, ignore_errors=True)
    begun, busy = time.perf_counter(), time.process_time()
    room = len(source.tokens) // passes
    build_shard(source, folder, {}, threads=threads, room=room, shown=Silent())
    return {
        "build": time.perf_counter() - begun,
        "build_cpu": time.process_time() - busy,
        "build_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "bytes": sum(path.stat().st_size for path in folder.iterdir()) + 2 * len(source.tokens),
    }


def ours(work, threads, clock):
    source, folder = opened(work), work / "ours"
    questions, found = json.loads((work / "questions.json").read_text()), {}
    begun = clock()
    shard = open_shard(source, folder, 0, {})
    index = ShardedIndex((shard,), threads, (open_shard, ()))
    found["open"] = clock() - begun
    batch = np.load(work / "batch.npy")
    index.count_many(batch[:1000])
    begun = clock()
    counts = index.count_many(batch)
    found["batch"] = [(clock() - begun) / len(batch)]
    lists = batch.tolist()
    begun = clock()
    assert (index.count_many(lists) == counts).all()
    found["batch of lists"] = [(clock() - begun) / len(batch)]
    found["batch answers"] = counts[:SINGLE].tolist()
    found["count"], found["count answers"] = each(index.count, questions["fives"], clock)
    for name in ("three", "one"):
        seconds, answers = each(index.next, questions[name], clock)
        found[f"next {name}"] = seconds
        found[f"next {name} answers"] = [
            dict(zip(a.tokens.tolist(), a.counts.tolist(), strict=True)) for a in answers
        ]
    found["longest"], lengths = each(index.longest, questions["texts"], clock)
    found["longest answers"] = [a.tolist() for a in lengths]
    found["longest counted"], answers = each(index.longest_matches, questions["texts"], clock)
    assert [a.lengths.tolist() for a in answers] == found["longest answers"]
    for text, match in zip(questions["texts"][:20], answers, strict=False):
        spans = [text[i : i + n] for i, n in enumerate(match.lengths)]
        assert [index.count(span) if span else 0 for span in spans] == match.counts.tolist()
    found["infinity"] = each(index.infinity_probabilities, questions["texts"], clock)[0]

    def fetch(query):
        bounds = source.bounds
        places = index.locate(query, 10)
        return [source.tokens[bounds[o.document] : bounds[o.document + 1]] for o in places]

    found["fetch"] = each(fetch, questions["fives"][:500], clock)[0]
    return found


def peer(python, kind, work, processor):
    for made in [*(work / kind).glob("table*"), *(work / kind).glob("temporary")]:
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    command = [
        python,
        str(Path(__file__).with_name("index_peer.py")),
        kind,
        str(work / kind),
        str(work / "questions.json"),
        *(["--processor"] if processor else []),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{kind}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(mine, other, kind):
    """Ends the program where a peer's answer is not ours."""
    for name in [name for name in other if name.endswith("answers")]:
        for i, (a, b) in enumerate(zip(mine[name], other[name], strict=False)):
            here, there = (
                {int(t): c for t, c in x.items()} if isinstance(x, dict) else x for x in (a, b)
            )
            assert here == there, f"{kind}, {name} {i}: {here} here, {there} there"


ROWS = [
    ("build, wall", "build", 1, "s"),
    ("build, processor", "build_cpu", 1, "s"),
    ("build, peak memory of a process", "build_memory", 1e-9, "GB"),
    ("build in bounded memory, wall", "bounded", 1, "s"),
    ("the same, peak memory", "bounded_memory", 1e-9, "GB"),
    ("on disk, tokens included", "bytes", None, "bytes/token"),
    ("open", "open", 1e3, "ms"),
    ("count of 5 tokens, one by one", "count", 1e6, "us"),
    ("count of 5 tokens, a million at once, each", "batch", 1e6, "us"),
    ("the same from lists", "batch of lists", 1e6, "us"),
    ("next tokens after 3, exact", "next three", 1e6, "us"),
    ("next tokens after 1, exact", "next one", 1e6, "us"),
    ("longest matches of 256 tokens", "longest", 1e3, "ms"),
    ("the same with their counts", "longest counted", 1e3, "ms"),
    ("infinity-gram probabilities of 256 tokens", "infinity", 1e3, "ms"),
    ("locate and fetch 10 documents", "fetch", 1e6, "us"),
]


def shown(number):
    return f"{number:,.3g}"


def value(found, name, scale, tokens):
    """The median, or the number, in the unit of its row; and the 99th percentile."""
    if name not in found:
        return None, ""
    number = found[name]
    scale = 1 / tokens if scale is None else scale
    if not isinstance(number, list) or len(number) == 1:
        return float(np.median(number)) * scale, ""
    return float(np.median(number)) * scale, f" ({shown(np.quantile(number, 0.99) * scale)})"


def table(work, tokens):
    """What all parts found, once the peers' answers are ours."""
    found = {name: json.loads((work / f"found-{name}.json").read_text()) for name in PARTS[1:-1]}
    bounded = {name.replace("build", "bounded"): v for name, v in found["bounded"].items()}
    mine = {**bounded, **found["build"], **found["Whence"]}
    others = {name: found[name] for name in ("infini", "tokengrams")}
    for name, other in others.items():
        compare(mine, other, name)
    lines = [
        "| median (99th percentile) | Whence | "
        + " | ".join(f"{n} | ratio" for n in others)
        + " |",
        "|---" * (2 + 2 * len(others)) + "|",
    ]
    for what, name, scale, unit in ROWS:
        middle, high = value(mine, name, scale, tokens)
        cells = [f"{shown(middle)}{high} {unit}"]
        for other in others.values():
            theirs, their_high = value(other, name, scale, tokens)
            there = theirs is not None
            cells += [shown(theirs) + their_high, f"{theirs / middle:.1f}"] if there else ["-", "-"]
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def part(name, options, work):
    """Do one part and keep what it found."""
    if name == "prepare":
        found = prepare(options.corpus, options.tokens, options.varied, work)
    elif name in ("build", "bounded"):
        bounded = name == "bounded"
        settings = (BOUNDED, "bounded") if bounded else (4, "ours")
        found = build(work, options.threads, *settings)
        if bounded:
            shutil.rmtree(work / "bounded")
    elif name == "Whence":
        clock = time.process_time if options.processor else time.perf_counter
        found = ours(work, options.threads, clock)
    elif name == "table":
        source = opened(work)
        print(f"{len(source.tokens):,} tokens, {len(source.bounds) - 1:,} documents")
        print(table(work, len(source.tokens)))
        return
    else:
        found = peer(options.peers, name, work, options.processor)
    (work / f"found-{name}.json").write_text(json.dumps(found))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("peers", type=str)
    parser.add_argument("--tokens", type=int, default=76_200_000)
    parser.add_argument("--varied", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("index_peers"))
    parser.add_argument("--threads", type=int, default=default_threads())
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--processor", action="store_true")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.only:
        part(options.only, options, options.work.absolute())
        return
    for name in PARTS:
        # Each in a process of its own, so that peak memory is that of the part.
        subprocess.run([sys.executable, *sys.argv, "--only", name], check=True)


if __name__ == "__main__":
    main()
