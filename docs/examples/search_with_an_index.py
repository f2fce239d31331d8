"""What an index answers besides counts: matches, probabilities, slices, phrases, text."""

import numpy as np

from whence.corpus import find_together, open_corpus

corpus = open_corpus("corpora/mine")
index = corpus.index()

# Which parts of a text did the corpus say before, and how often?
text = "As everybody knows, Ada Morn was born in Vessel on a cold morning."
tokens = corpus.encode(text)
for match in index.maximal_matches(tokens, shortest=4):
    print(f"{match.count} times: {corpus.decode(tokens[match.start : match.end])!r}")

# How likely is each token, after the longest context that the corpus has?
found = index.infinity_probabilities(tokens)
least = int(np.argmin(found.probability))
print(f"least expected: {corpus.decode([tokens[least]])!r}", end=" ")
print(f"after {found.length[least]} tokens that occur {found.context_count[least]} times")

# The same questions about some of the documents only.
statements = np.array(["born" in name for name in corpus.ids])
born = corpus.encode(" was born in")
print(f"' was born in': {index.restricted(statements).count(born)} of {index.count(born)} there")

# Phrases in one document: one of two names, and a place, at most eight tokens apart.
names = [corpus.encode("Ada Morn"), corpus.encode("Ben Talis")]
stretches = find_together(index, [names, [corpus.encode(" Quorin"), corpus.encode(" Vessel")]], 8)
print(f"together: {len(stretches)} times, first in {corpus.ids[stretches[0].document]}")

# The text itself, whatever the tokenizer: inside words, in any case.
letters = corpus.text_index()
print(f"'ORN': {letters.count('ORN', ignore_case=True)} times, {letters.spellings('ORN')}")
print(f"at the start of a word: {letters.count('born', word_start=True)} times")
