from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.explain.sample import empty_record, sample_record, shaped_record, unverified_record
from whence.explain.table import print_record, tables


def printed(record, width, **options):
    console = Console(width=width, file=io.StringIO(), **options)
    print_record(record, console)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(width):
    text = printed(sample_record(), width)
    assert max(map(len, text.splitlines())) <= width
    for words in ("2.40", "6.94", "−1.10 to 1.30", "✓ confirmed", "○ not verified", "✕ refuted"):
        assert words in text


def test_every_kind_and_the_sets_have_a_table_in_this_order():
    titles = [str(t.title) for t in tables(sample_record())]
    assert [t.split(":")[0].split(",")[0] for t in titles] == [
        "In the training data",
        "Inside the model",
        "In the prompt",
        "Taken away together",
    ]


def test_baselines_come_after_methods_and_take_a_line():
    text = printed(sample_record(), 120)
    assert text.index("tracin") < text.index("bm25: almanac-0022, parish-0116")
    assert text.count("bm25:") == 2  # among the methods, and among the sets


def test_top_limits_the_causes_of_a_method():
    one, five = (len(tables(sample_record(), top=n)[1].rows) for n in (1, 5))
    assert (one, five) == (2 * 2, 2 * 6)


def test_verdicts_are_coloured_in_a_terminal():
    text = printed(sample_record(), 100, force_terminal=True, color_system="standard")
    assert "\x1b[32m✓ confirmed" in text
    assert "\x1b[31m✕ refuted" in text


def test_what_looks_like_style_in_a_text_stays_text():
    record = sample_record()
    record["behavior"]["prompt"] = "[bold red]Mira[/nothing]"
    record["rows"][0]["cause"]["text"] = "[/red] born"
    text = printed(record, 120)
    assert "[bold red]Mira[/nothing]" in text
    assert "[/red] born" in text


def test_it_ends_in_plain_words():
    assert "so none of this is verified." in printed(unverified_record(), 400)
    text = printed(sample_record(), 700)
    assert "3 were confirmed, 1 was refuted, 1 was not verified." in text


def test_a_record_with_nothing_in_it_says_so():
    assert "Nothing was looked at." in printed(empty_record(), 80)


def test_documents_by_parts_name_the_largest_parts():
    text = printed(shaped_record(), 120)
    assert "Which documents shaped which part, in nats" in text
    assert "L0.MLP +0.90  L0.H0 +0.50  L1.MLP −0.30" in text
