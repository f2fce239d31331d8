"""What the text teaches a task: counts of what is asked and answered, beside a model's answers.

examples        examples of a task from a file
grams           pairs of n-grams of input and output that mean much the same
counting        how often texts occur, alone, in one document, near each other
language_model  probabilities from such counts; the infinity-gram
memorization    rank correlation with a model's probabilities
novelty         n-grams that the corpus never had
contamination   a benchmark's texts in the corpus
facts           subjects and objects, how often together, against accuracy

No model is known here: vectors and probabilities come in as arrays.
"""

from whence.corpus.tasks.contamination import (
    Contamination,
    Item,
    LongestMatch,
    find_contamination,
    read_items,
)
from whence.corpus.tasks.counting import PairCounts, Places, count_pairs, find_places
from whence.corpus.tasks.examples import Example, read_examples
from whence.corpus.tasks.facts import (
    Fact,
    FrequencyBin,
    count_facts,
    frequency_bins,
    read_facts,
)
from whence.corpus.tasks.grams import (
    Found,
    PairTable,
    TaskGrams,
    find_pairs,
    mine_pairs,
    pair_table,
    task_grams,
)
from whence.corpus.tasks.language_model import (
    coverage,
    infinity_log_probabilities,
    task_gram_log_probabilities,
)
from whence.corpus.tasks.memorization import Correlation, correlate
from whence.corpus.tasks.novelty import Novelty, novelty

__all__ = [
    "Contamination",
    "Correlation",
    "Example",
    "Fact",
    "Found",
    "FrequencyBin",
    "Item",
    "LongestMatch",
    "Novelty",
    "PairCounts",
    "PairTable",
    "Places",
    "TaskGrams",
    "correlate",
    "count_facts",
    "count_pairs",
    "coverage",
    "find_contamination",
    "find_pairs",
    "find_places",
    "frequency_bins",
    "infinity_log_probabilities",
    "mine_pairs",
    "novelty",
    "pair_table",
    "read_examples",
    "read_facts",
    "read_items",
    "task_gram_log_probabilities",
    "task_grams",
]
