"""Searching a corpus: how often tokens occur, where, and what follows them.

interface   what every index can do, and its answers
files       an index on disk: making, opening, checking and repairing it
shard       the sorted suffixes of some documents
sharded     shards searched as one
kernel/     sorting and searching suffixes, in C
"""

from whence.corpus.index.files import (
    IndexSettings,
    build_index,
    check_index,
    open_index,
    repair_index,
)
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

__all__ = [
    "Following",
    "Index",
    "IndexSettings",
    "LongestMatches",
    "Match",
    "Occurrence",
    "Probabilities",
    "Repeat",
    "Tokens",
    "build_index",
    "check_index",
    "open_index",
    "repair_index",
]
