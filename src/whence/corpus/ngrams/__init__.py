"""Language models of the text alone: what the corpus would say next.

counting     all n-grams, order by order, in bounded memory
kneser_ney   modified Kneser-Ney smoothing
model        made, saved, opened; log-probabilities and distributions
perplexity   of any text under it
sampling     texts drawn from it, or from the index (infinity-gram)
tree         the most frequent continuations as a tree
"""

from whence.corpus.ngrams.model import NgramModel, fit_ngrams, ngram_model, open_ngrams
from whence.corpus.ngrams.perplexity import Perplexity, perplexity
from whence.corpus.ngrams.sampling import Sample, sample
from whence.corpus.ngrams.tree import Branch, continuations

__all__ = [
    "Branch",
    "NgramModel",
    "Perplexity",
    "Sample",
    "continuations",
    "fit_ngrams",
    "ngram_model",
    "open_ngrams",
    "perplexity",
    "sample",
]
