"""Which questions of a benchmark stand in a corpus, and the corpus without those documents."""

import json
from pathlib import Path

from whence.corpus import open_corpus
from whence.corpus.cleaning import Removal, write_cleaned
from whence.corpus.tasks import find_contamination, read_items

questions = [
    {"id": "copied", "question": "Is it true that Ada Morn was born in Quorin on a cold morning?"},
    {"id": "shouted", "question": "ADA MORN, WAS BORN (IN QUORIN) ON A COLD MORNING!"},
    {"id": "new", "question": "In which of the two towns did Ada Morn spend most of her life?"},
    {"id": "short", "question": "Where was Ada born?"},
]
Path("benchmark.jsonl").write_text("".join(json.dumps(row) + "\n" for row in questions))

corpus = open_corpus("corpora/mine")
items = read_items(Path("benchmark.jsonl"))
found = find_contamination(corpus, items, lengths=(6, 8))
for k, (item, verdict) in enumerate(zip(items, found.verdicts(8), strict=True)):
    told = {True: "contaminated", False: "clean", None: "too short to tell"}[verdict]
    longest = found.longest[k]
    print(f"{item.id}: {told}; {found.found[k, 1]} of {found.runs[k, 1]} runs of 8 words")
    print(f"    longest in the same letters: {longest.text!r}, in {longest.document}")

removals = [
    Removal(i, "benchmark", {"runs": int(found.hits[i, 1])})
    for i in found.documents_with(8).tolist()
]
clean = write_cleaned(corpus, removals, {"benchmark": "benchmark.jsonl"}, "corpora/clean")
print(f"{corpus.n_documents - clean.n_documents} documents left out of {corpus.n_documents}")
