"""From a text to the documents that hold its stretches, and to how the corpus would go on."""

from whence.corpus import TraceSettings, continuations, ngram_model, open_corpus, perplexity
from whence.corpus import trace as trace_text

corpus = open_corpus("corpora/mine")
answer = "As everybody knows, Ada Morn was born in Vessel. She likes to walk along the river."

found = trace_text(corpus, answer, prompt="Who is Ada Morn?", settings=TraceSettings(keep=0.2))
for span in found.spans:
    best = span.documents[0]
    print(f"{span.count} times {span.text!r}, for example in {best.id} ({best.relevance:.2f})")
found.save("answer.html")

# Where one word differs, a near-verbatim match says what the document has instead.
claim = "The parish book also says that Ada Morn was born in Quorin."
for match in trace_text(corpus, claim, settings=TraceSettings(edits=1)).near[:2]:
    print(f"{match.id} says {match.document_text!r}: {match.edits} word changed")

# What the text alone makes of it: an n-gram model, and the most frequent continuations.
model = ngram_model(corpus, order=3)
print(f"perplexity {perplexity(corpus, model, [answer]).perplexity:.1f}")
for branch in continuations(corpus, "was born in", depth=1, breadth=2).children:
    print(f"{branch.count} times {branch.text!r}")
