"""Facts by frequency: counts by looking, bins by hand, intervals as scipy has them."""

import json

import numpy as np
import pytest
from scipy import stats

from tests.corpus.samples import documents
from whence.core.errors import SourceError
from whence.corpus import BuildSettings, build_from_documents
from whence.corpus.tasks import Fact, count_facts, frequency_bins, read_facts
from whence.corpus.tasks.facts import wilson

TEXTS = [
    "Ada Lovelace was born in London.",
    "The Countess of Lovelace never saw Rome, but London she did.",
    "London is large. Rome is old.",
    "Ada Lovelace and Rome have nothing in common.",
]
FACTS = [
    Fact("0", ("Ada Lovelace", "Countess of Lovelace"), "born in", ("London",)),
    Fact("1", ("Ada Lovelace",), "born in", ("Rome",)),
    Fact("2", ("Nobody",), "born in", ("London",)),
]


def test_names_of_an_entity_count_together(tmp_path):
    corpus = build_from_documents(documents(TEXTS), tmp_path / "c", BuildSettings(vocab_size=300))
    counts = count_facts(corpus, FACTS, 1000)
    assert counts.documents.tolist() == [2, 1, 0]
    assert counts.first_documents.tolist() == [3, 2, 0]
    assert counts.second_documents.tolist() == [3, 3, 3]
    assert counts.near.tolist() == [2, 1, 0]
    assert count_facts(corpus, FACTS, 2).near.tolist() == [0, 0, 0]


def test_bins_are_powers_of_two():
    counts = np.array([0, 0, 1, 2, 3, 4, 7, 8, 1000])
    right = np.array([0.0, 1, 0, 1, 1, 1, 0, 1, 1])
    found = frequency_bins(counts, right, -np.arange(9.0))
    assert [(b.low, b.high, b.facts) for b in found] == [
        (0, 0, 2),
        (1, 1, 1),
        (2, 3, 2),
        (4, 7, 2),
        (8, 15, 1),
        (512, 1023, 1),
    ]
    assert [b.right for b in found] == [0.5, 0.0, 1.0, 0.5, 1.0, 1.0]
    assert [b.log_probability for b in found] == [-0.5, -2, -3.5, -5.5, -7, -8]


@pytest.mark.parametrize(("right", "n"), [(0, 5), (3, 10), (10, 10), (250, 1000)])
def test_the_interval_is_wilsons(right, n):
    expected = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_facts_are_read(tmp_path):
    path = tmp_path / "f.jsonl"
    rows = [
        {"subject": "Ada", "object": ["London", "London town"], "relation": "born in"},
        {"id": "x", "subject": "Ben", "subject_aliases": ["Benjamin", "Ben"], "object": "Rome"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_facts(path) == [
        Fact("1", ("Ada",), "born in", ("London", "London town")),
        Fact("x", ("Ben", "Benjamin"), "", ("Rome",)),
    ]
    for broken in (
        {"subject": "Ada"},
        {"subject": [], "object": "x"},
        {"subject": 3, "object": "x"},
    ):
        path.write_text(json.dumps(broken))
        with pytest.raises(SourceError, match="a name, or a list of names"):
            read_facts(path)
