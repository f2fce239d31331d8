"""The room is light, and memory does not grow with what goes through it."""

import json
import subprocess
import sys

LIGHT = """
import sys
from whence.corpus import BuildSettings, RawDocument, bm25, build_from_documents, near_duplicates
documents = [RawDocument(str(i), f"text {i} of these") for i in range(9)]
corpus = build_from_documents(documents, sys.argv[1], BuildSettings(vocab_size=300))
corpus.index().count(corpus.encode("text")), corpus.token_span(0, 0, 4)
bm25(corpus, ["text"]), near_duplicates(corpus)
print([name for name in ("torch", "transformers", "datasets", "jax") if name in sys.modules])
"""

STREAM = """
import resource, sys
from whence.corpus import BuildSettings, build
build.PART_BYTES = 1 << 19
build._BATCH_CHARACTERS = 1 << 17
corpus = build.build_corpus([sys.argv[1]], sys.argv[2], BuildSettings(tokenizer="bytes"))
print(corpus.n_tokens, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_torch_and_transformers_are_not_loaded(tmp_path):
    assert run(LIGHT, tmp_path / "c") == "[]"


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    peaks = []
    for megabytes in (2, 16):
        path = tmp_path / f"{megabytes}.jsonl"
        with path.open("w") as file:
            for i in range(megabytes * 250):
                file.write(json.dumps({"text": f"{i} " + "word " * 800}) + "\n")
        tokens, peak = map(int, run(STREAM, path, tmp_path / f"c{megabytes}").split())
        assert tokens > megabytes * 1_000_000
        peaks.append(peak / 1024)
    # 14 MB more text is 28 MB more of tokens; none of it may stay in memory.
    assert peaks[1] - peaks[0] < 12, peaks
