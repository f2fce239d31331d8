from __future__ import annotations

import math

import pytest

from tests.explain.sample import sample_record, unverified_record
from whence.explain.reading import (
    between,
    by_cause,
    lead_method,
    methods_of,
    nats,
    probability,
    rows_of,
    summary,
    times,
    visible,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (-0.001, "0.00"), (-1.5, "−1.50"), (123.456, "123.5"), (99.96, "100.0")],
)
def test_nats(value, text):
    assert nats(value) == text


def test_signs_and_intervals():
    assert nats(0.5, sign=True) == "+0.50"
    assert between([-1.0, 2.0]) == "−1.00 to 2.00"
    assert between([None, 2.0]) == between(None) == "–"


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1.5, "1.5 times"), (42.4, "42 times"), (1495, "1,500 times"), (1e7, "more than a million")],
)
def test_times(ratio, text):
    assert times(math.log(ratio)).startswith(text)


@pytest.mark.parametrize(("p", "text"), [(0.25, "0.250"), (6.4e-4, "6.4e−4"), (0.9999, "> 0.999")])
def test_probability(p, text):
    assert probability(math.log(p)) == text


def test_blanks_are_made_visible_where_they_are_all():
    assert visible("  ") == "␣␣"
    assert visible(" a\n") == " a⏎"


def test_no_text_commands_a_terminal():
    assert visible("\x1b[31mred\x07") == "\ufffd[31mred\ufffd"


def test_methods_come_before_baselines_and_rows_by_rank():
    record = sample_record()
    record["rows"].reverse()
    assert methods_of(record, "document")[0] == "tracin"
    assert lead_method(record, "document") == "tracin"
    assert [r["rank"] for r in rows_of(record, "document", "tracin")] == list(range(1, 9))


def test_a_measurement_counts_whoever_asked_for_it():
    record = sample_record()
    record["rows"] = [r for r in record["rows"] if r["kind"] == "token"]
    for row in record["rows"]:
        if row["method"] == "leave-one-out":
            row["measured"] = None
    assert by_cause(record, "token")["T2"]["measured"] == 4.87


def test_the_summary_names_what_held_and_what_did_not():
    record = sample_record()
    text = " ".join(summary(record))
    assert "prefers “Quorin” to “Tarmouth” by 7.31 nats" in text
    assert "without the 5 documents that tracin names first, this falls by 6.94 nats" in text
    assert "by −1.10 to 1.30 (95 %): confirmed, in this run." in text
    record["sets"] = [s for s in record["sets"] if s["method"] == "random"]
    assert "rises by 2.60 nats" in " ".join(summary(record))
    assert "refuted, in this run" in " ".join(summary(record))


def test_a_preference_for_the_foil_is_said_as_such():
    record = sample_record()
    record["behavior"]["value"] = -1.0
    assert (
        "prefers “Tarmouth” to “Quorin” by 1.00 nats, and finds it about 2.7" in summary(record)[0]
    )


def test_nothing_is_claimed_where_nothing_was_taken_away():
    assert summary(unverified_record())[-1].endswith("so none of this is verified.")
    record = sample_record()
    record["sets"] = []
    assert any(s.endswith("none was taken away.") for s in summary(record))
