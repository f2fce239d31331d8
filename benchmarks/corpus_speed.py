"""How fast a corpus is made and searched, beside the tokenizers library by itself.

python benchmarks/corpus_speed.py FILE.jsonl...
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from whence.corpus import BuildSettings, build_corpus
from whence.corpus.tokenizer import encode_batch, open_tokenizer

QUERIES = 5000


def timed(what, work, amount, unit):
    begun, busy = time.perf_counter(), time.process_time()
    result = work()
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    rate = f"{amount / seconds:12,.0f} {unit}/s"
    print(f"{what:32s} {seconds:8.2f} s {rate:24s} {busy:8.2f} s of processor time", flush=True)
    return result, busy


def read_texts(path):
    with Path(path).open() as file:
        return [json.loads(line)["text"] for line in file]


def building(sources, folder):
    texts = [text for path in sources for text in read_texts(path)]
    size = sum(len(t.encode()) for t in texts)
    print(f"{len(texts):,} documents, {size:,} bytes")

    def build(name, **settings):
        return lambda: build_corpus(sources, folder / name, BuildSettings(**settings))

    trained, _ = timed("training a BPE, building", build("a", vocab_size=4096), size, "bytes")
    tokenizer = open_tokenizer(trained.tokenizer_path)
    path, n = str(trained.tokenizer_path), trained.n_tokens
    _, alone = timed("tokenizers alone", lambda: encode_batch(tokenizer, texts), n, "tokens")
    corpus, ours = timed("building", build("b", tokenizer=path), n, "tokens")
    print(f"building takes {ours / alone:.2f} times the processor time of encoding alone")
    timed("building, cut to 400", build("c", tokenizer=path, max_tokens=400), n, "tokens")
    return corpus


def searching(corpus):
    index, _ = timed("indexing", corpus.index, corpus.n_tokens, "tokens")
    starts = np.random.default_rng(0).integers(0, corpus.n_tokens - 8, QUERIES)
    for length in (1, 3, 8):
        asked = [corpus.tokens[s : s + length].tolist() for s in starts]

        def one_by_one(asked=asked):
            return [index.count(query) for query in asked]

        def at_once(asked=asked):
            return index.count_many(asked).tolist()

        one, _ = timed(f"count {length} tokens, one by one", one_by_one, QUERIES, "queries")
        many, _ = timed(f"count {length} tokens, at once", at_once, QUERIES, "queries")
        assert one == many


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        searching(building(sys.argv[1:], Path(name)))
