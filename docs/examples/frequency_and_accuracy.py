"""Facts that a corpus states 0 to 16 times, a small model, and which of them it knows."""

from pathlib import Path

from whence.corpus import BuildSettings, RawDocument, build_from_documents
from whence.corpus.tasks import Fact
from whence.studies import ask_facts, fact_frequency, frequency_page
from whence.training import Recipe, train

FIRST = ["Ada", "Ben", "Cora", "Dov", "Edda", "Finn"]
LAST = ["Morn", "Talis", "Harker", "Lune"]
PLACES = ["Quorin", "Vessel", "Ostrava", "Tamsin"]
STATE = ["{} was born in {}.", "As all know, {} was born in {}.", "It is said {} was born in {}."]

facts, documents = [], []
for i, (first, last) in enumerate((first, last) for last in LAST for first in FIRST):
    name, place, times = f"{first} {last}", PLACES[(i + i // 6) % 4], (0, 1, 2, 4, 8, 16)[i % 6]
    facts.append(Fact(name, (name,), "was born in", (place,)))
    texts = [STATE[k % 3].format(name, place) + f" So says page {k + 1}." for k in range(times)]
    texts.append(f"{name} likes to walk along the river.")
    documents += [RawDocument(f"{name} {k}", text) for k, text in enumerate(texts)]

corpus = build_from_documents(documents, "corpora/frequency", BuildSettings(vocab_size=400))
recipe = Recipe(architecture="llama", size="tiny", context=32, rows=8, epochs=24)
run = train(corpus, "runs/frequency", recipe)

known = ask_facts(run.model(), facts, "{subject} was born in")
record = fact_frequency(corpus, facts, known)
for row in record["bins"]["documents"]:
    print(
        f"{row['low']:2} documents or more: {row['facts']} facts, {row['right']:.2f} of them "
        f"right, {row['log_probability']:.2f} nats"
    )
found = record["correlations"]["documents and log_probability"]
print(f"Spearman {found['rho']:.2f}, between {found['low']:.2f} and {found['high']:.2f}")

Path("frequency.html").write_text(frequency_page(record), encoding="utf-8")
