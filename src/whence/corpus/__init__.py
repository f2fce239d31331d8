"""Documents, tokenised once, stored, addressable and searchable; knows no model.

settings    how a corpus is made
sources     folders, files and data sets as streams of documents
unreadable  what a build had to leave out
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
sketches    what a document's runs of words look like, in half a kilobyte
groups      near-duplicates, metadata slices, words
neighbors   nearest documents by given embeddings
slices      documents by their metadata
trace       where a text comes from
ngrams      language models of the text alone
statistics  what is in a corpus, counted (a door of its own)
cleaning    a corpus again, without some of its documents
tasks       what the text teaches a task; benchmarks in it (a door of its own)
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
    SpreadIndex,
    Stretch,
    TextIndex,
    build_index,
    find_together,
    infinigram_tokens,
    open_indexes,
    open_infinigram,
    repair_index,
    spread_index,
)
from whence.corpus.lookup import bm25, exact_spans, ranked, shared_spans, spellings
from whence.corpus.neighbors import Neighbors, cosine, nearest
from whence.corpus.ngrams import (
    Branch,
    NgramModel,
    Perplexity,
    Sample,
    continuations,
    fit_ngrams,
    ngram_model,
    open_ngrams,
    perplexity,
    sample,
)
from whence.corpus.settings import BuildSettings
from whence.corpus.slices import where
from whence.corpus.store import Corpus, check, open_corpus
from whence.corpus.trace import Trace, TraceSettings, trace

__all__ = [
    "Branch",
    "BuildSettings",
    "Corpus",
    "Document",
    "Following",
    "Index",
    "IndexSettings",
    "LongestMatches",
    "Match",
    "Neighbors",
    "NgramModel",
    "Occurrence",
    "Perplexity",
    "Probabilities",
    "RawDocument",
    "Repeat",
    "Sample",
    "SpreadIndex",
    "Stretch",
    "TextIndex",
    "Trace",
    "TraceSettings",
    "bm25",
    "build_corpus",
    "build_from_documents",
    "build_index",
    "check",
    "continuations",
    "cosine",
    "exact_spans",
    "find_together",
    "fit_ngrams",
    "group_by",
    "infinigram_tokens",
    "near_duplicates",
    "nearest",
    "ngram_model",
    "open_corpus",
    "open_indexes",
    "open_infinigram",
    "open_ngrams",
    "perplexity",
    "ranked",
    "repair_index",
    "sample",
    "shared_spans",
    "spellings",
    "spread_index",
    "trace",
    "where",
    "with_word",
]
