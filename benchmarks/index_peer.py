"""One peer of `index_peers.py`, run by the Python of the peers' own environment.

python index_peer.py KIND FOLDER QUESTIONS.json [--processor]
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

SEPARATOR = 65_535
END = 65_534
"""What infini-gram calls the end of a document; no token of the corpus."""


clock = time.process_time if "--processor" in sys.argv else time.perf_counter


def each(work, questions):
    """Seconds of each question, asked one after another, and the answers."""
    seconds, answers = [], []
    for question in questions:
        begun = clock()
        answers.append(work(question))
        seconds.append(clock() - begun)
    return seconds, answers


def tokengrams(folder, questions, found):
    from tokengrams import MemmapIndex

    files = str(folder / "tokens.bin"), str(folder / "table.bin")
    begun, busy = time.perf_counter(), time.process_time()
    MemmapIndex.build(*files, vocab=1 << 16)
    found["build"], found["build_cpu"] = time.perf_counter() - begun, time.process_time() - busy
    found["build_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    begun = time.perf_counter()
    index = MemmapIndex(*files, vocab=1 << 16)
    found["open"] = time.perf_counter() - begun

    def longest(text):
        lengths, length = [], 0
        for start in range(len(text)):
            length = max(0, length - 1)
            while start + length < len(text) and index.contains(text[start : start + length + 1]):
                length += 1
            lengths.append(length)
        return lengths

    for name in ("three", "one"):
        found[f"next {name}"], rows = each(index.count_next, questions[name])
        found[f"next {name} answers"] = [
            {token: count for token, count in enumerate(row) if count and token < SEPARATOR}
            for row in rows
        ]
    return index.count, longest


def infini(folder, questions, found):
    begun = time.perf_counter()
    options = ["--data_dir", folder, "--save_dir", folder, "--temp_dir", folder / "temporary"]
    more = ["--token_dtype", "u16", "--mem", "4", "--ulimit", "1024"]
    command = [sys.executable, "-m", "infini_gram.indexing", *map(str, options), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    found["build"], found["build_cpu"] = (
        time.perf_counter() - begun,
        usage.ru_utime + usage.ru_stime,
    )
    found["build_memory"] = usage.ru_maxrss * 1024
    from infini_gram.engine import InfiniGramEngine

    begun = time.perf_counter()
    engine = InfiniGramEngine(
        str(folder), eos_token_id=END, vocab_size=SEPARATOR, version=4, token_dtype="u16"
    )
    found["open"] = time.perf_counter() - begun

    def following(query):
        return engine.ntd(query, max_support=10**9)

    def fetch(query):
        low, high = engine.find(query)["segment_by_shard"][0]
        return [engine.get_doc_by_rank(0, rank) for rank in range(low, min(high, low + 10))]

    found["next three"], rows = each(following, questions["three"][:40])
    found["next three answers"] = [
        {t: r["cont_cnt"] for t, r in row["result_by_token_id"].items() if int(t) < END}
        for row in rows
    ]
    found["fetch"] = each(fetch, questions["fives"][:500])[0]

    def longest(text):
        return [end - start for start, end in enumerate(engine.creativity(text)["rs"])]

    return lambda query: engine.count(query)["count"], longest


def main():
    kind, folder, asked = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    questions, found = json.loads(asked.read_text()), {}
    count, longest = {"tokengrams": tokengrams, "infini": infini}[kind](folder, questions, found)
    found["bytes"] = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    each(count, questions["fives"][:100])
    found["count"], found["count answers"] = each(count, questions["fives"])
    seconds, found["batch answers"] = each(count, questions["some"])
    found["batch"] = [sum(seconds) / len(seconds)]
    found["longest"], found["longest answers"] = each(longest, questions["texts"])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
