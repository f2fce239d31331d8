"""What is in a corpus: counted, streamed, and told per slice of a metadata field.

measures      one row of numbers a document: lengths, characters, language, personal data
characters    letters, digits, punctuation, ...
languages     which language a document is in
personal      e-mail addresses, telephone and card numbers, ...
windows       runs of n tokens as numbers, a block of the corpus at a time
runs          equal runs brought together, a share of them at a time
ngrams        the most frequent n-grams, exactly, in bounded memory
repeats       long stretches that occur more than once
words         kinds of words, how their number grows, how their frequencies fall
duplicates    equal and nearly equal documents
describe      all of it, whole and by slice
page          the same as a page with plots
"""

from whence.corpus.statistics.describe import DescribeSettings, describe
from whence.corpus.statistics.duplicates import Duplicates, find_duplicates
from whence.corpus.statistics.measures import Measures, measure
from whence.corpus.statistics.ngrams import Ngram, top_ngrams
from whence.corpus.statistics.page import statistics_page
from whence.corpus.statistics.repeats import Copy, Repeats, find_repeats
from whence.corpus.statistics.words import Growth, Tail, fit_heaps, fit_zipf

__all__ = [
    "Copy",
    "DescribeSettings",
    "Duplicates",
    "Growth",
    "Measures",
    "Ngram",
    "Repeats",
    "Tail",
    "describe",
    "find_duplicates",
    "find_repeats",
    "fit_heaps",
    "fit_zipf",
    "measure",
    "statistics_page",
    "top_ngrams",
]
