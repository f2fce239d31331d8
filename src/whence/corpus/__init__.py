"""Documents, tokenised once, stored, addressable and searchable; knows no model.

settings    how a corpus is made
sources     folders, files and data sets as streams of documents
rows        JSONL, Parquet and data set rows
documents   a document before and after it is stored
tokenizer   trained here, bytes, or Hugging Face; saved with the corpus
cutting     long documents into pieces, at paragraphs and sentences
parts       what a build has done so far; makes it resumable
build       sources -> parts -> corpus
assemble    the files of a corpus
arrays      arrays in files
store       an opened corpus
spans       characters <-> tokens
index       searching: a package of its own
lookup      BM25, exact spans
groups      near-duplicates, metadata slices, words
"""

from whence.corpus.build import build_corpus, build_from_documents
from whence.corpus.documents import Document, RawDocument
from whence.corpus.groups import group_by, near_duplicates, with_word
from whence.corpus.index import (
    Following,
    Index,
    IndexSettings,
    LongestMatches,
    Match,
    Occurrence,
    Probabilities,
    Repeat,
    Stretch,
    TextIndex,
    build_index,
    find_together,
    open_indexes,
    open_infinigram,
    repair_index,
)
from whence.corpus.lookup import bm25, exact_spans, shared_spans, spellings
from whence.corpus.settings import BuildSettings
from whence.corpus.store import Corpus, check, open_corpus

__all__ = [
    "BuildSettings",
    "Corpus",
    "Document",
    "Following",
    "Index",
    "IndexSettings",
    "LongestMatches",
    "Match",
    "Occurrence",
    "Probabilities",
    "RawDocument",
    "Repeat",
    "Stretch",
    "TextIndex",
    "bm25",
    "build_corpus",
    "build_from_documents",
    "build_index",
    "check",
    "exact_spans",
    "find_together",
    "group_by",
    "near_duplicates",
    "open_corpus",
    "open_indexes",
    "open_infinigram",
    "repair_index",
    "shared_spans",
    "spellings",
    "with_word",
]
