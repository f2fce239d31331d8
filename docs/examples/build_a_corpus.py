"""From a folder of text to a corpus that can be searched."""

from whence.corpus import BuildSettings, build_corpus, open_corpus

build_corpus(["my_documents"], "corpora/mine", BuildSettings(vocab_size=512))

corpus = open_corpus("corpora/mine")
print(f"{corpus.n_documents} documents, {corpus.n_tokens} tokens of {corpus.vocabulary_size} kinds")

document = corpus.document(0)
print(f"{document.id}: {document.text}")

# From characters to tokens and back.
start, end = corpus.token_span(0, 5, 12)
print(f"characters 5 to 12 are tokens {start} to {end}: {document.tokens[start:end].tolist()}")
print(f"these tokens are the text {document.text[slice(*corpus.char_span(0, start, end))]!r}")

# Exact search over tokens: how often, where, and what follows.
index = corpus.index()
query = corpus.encode(" was born in")
print(f"' was born in' occurs {index.count(query)} times")
for place in index.locate(query, limit=2):
    print(f"    {corpus.ids[place.document]}, token {place.offset}")
following = index.next(query)
for token, count in list(zip(following.tokens, following.counts, strict=True))[:3]:
    print(f"    {count} times before {corpus.decode([token])!r}")
