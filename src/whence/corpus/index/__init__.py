"""Searching a corpus: how often tokens occur, where, and what follows them.

interface   what every index can do, and its answers
files       an index on disk: making, opening, checking and repairing it
shard       the sorted suffixes of some documents
sharded     shards searched as one
spread      shards held by the workers of an engine
derived     answers that are made of simpler ones
boolean     phrases that stand together
infinigram  an index that infini-gram made
text        searching the bytes of the text, whatever the tokenizer
kernel/     sorting and searching suffixes, in C
"""

from whence.corpus.index.boolean import Stretch, find_together
from whence.corpus.index.files import (
    IndexSettings,
    build_index,
    check_index,
    describe_index,
    open_index,
    open_indexes,
    repair_index,
)
from whence.corpus.index.infinigram import infinigram_tokens, open_infinigram
from whence.corpus.index.interface import (
    Following,
    Index,
    LongestMatches,
    Match,
    Occurrence,
    Probabilities,
    Repeat,
    Tokens,
)
from whence.corpus.index.spread import SpreadIndex, spread_index
from whence.corpus.index.text import TextIndex, open_text_index

__all__ = [
    "Following",
    "Index",
    "IndexSettings",
    "LongestMatches",
    "Match",
    "Occurrence",
    "Probabilities",
    "Repeat",
    "SpreadIndex",
    "Stretch",
    "TextIndex",
    "Tokens",
    "build_index",
    "check_index",
    "describe_index",
    "find_together",
    "infinigram_tokens",
    "open_index",
    "open_indexes",
    "open_infinigram",
    "open_text_index",
    "repair_index",
    "spread_index",
]
