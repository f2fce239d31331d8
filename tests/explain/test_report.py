from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.explain.sample import (
    empty_record,
    sample_record,
    shaped_record,
    unverified_record,
)
from whence.core.errors import DamagedError
from whence.core.markup import escape, tag
from whence.explain.report import render, write_report
from whence.explain.report.checks import ticks
from whence.explain.report.documents import marked
from whence.explain.report.shaped import folded

EVIL = '<script>alert(1)</script><img src=x onerror="alert(2)"> </style></title>&amp; \x00\ud800'
VOID = {"meta", "br", "hr", "col"}


class Reader(HTMLParser):
    """Reads a page as a browser's parser does: elements, nesting, attributes, text."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts = [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)


@pytest.mark.parametrize("make", [sample_record, unverified_record, empty_record, shaped_record])
def test_pages_are_well_formed_and_need_nothing_from_outside(make):
    page = Reader(render(make()))
    names = {name for name, _ in page.elements}
    assert not names & {"script", "link", "iframe", "object", "embed", "base", "form", "img"}
    for _, attributes in page.elements:
        assert not {"src", "href", "onclick", "onerror", "onload"} & set(attributes)
    assert "url(" not in render(make())
    assert "@import" not in render(make())


def with_evil_everywhere(value):
    """A record with hostile text in place of every text that a user or a corpus decides."""
    if isinstance(value, dict):
        keep = {"kind", "verdict", "whence", "version", "unit", "estimand"}
        return {k: v if k in keep else with_evil_everywhere(v) for k, v in value.items()}
    if isinstance(value, list):
        return [with_evil_everywhere(v) for v in value]
    return value + EVIL if isinstance(value, str) else value


def test_hostile_text_is_shown_and_never_run():
    page = Reader(render(with_evil_everywhere(sample_record())))
    names = [name for name, _ in page.elements]
    assert "script" not in names
    assert "img" not in names
    assert names.count("style") == 1
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)
    assert "<script>alert(1)</script>" in page.text


def test_the_page_says_the_numbers_of_the_record():
    text = Reader(render(sample_record())).text
    for words in ("7.31 nats", "6.94", "8.90", "−1.10 to 1.30", "−2.60", "41.0 %", "ab12ab12ab12"):
        assert words in text
    for words in ("confirmed", "refuted", "not verified", "parish-0673", "bm25"):
        assert words in text


def test_a_set_is_no_document_and_a_special_token_has_a_name():
    text = Reader(render(sample_record())).text
    assert "tracin: top 5" not in text
    assert "<|endoftext|>" in text


def test_what_was_not_done_is_said():
    text = Reader(render(unverified_record())).text
    assert "Nothing was taken away for real" in text
    assert "documents cannot be taken away" in text
    assert "In the training data" not in text


PARTS = (
    "rows sets run corpus corpus_says costs coverage versions command timings plan settings model"
)


@pytest.mark.parametrize("gone", PARTS.split())
def test_any_part_may_be_missing(gone):
    record = sample_record()
    del record[gone]
    Reader(render(record))


def test_measured_sizes_decide_the_colours():
    page = render(sample_record())
    widths = re.findall(r'<rect[^>]*class="heat (for|against)[^"]*"[^>]*--w:([0-9.]+)', page)
    assert max(float(w) for _, w in widths) == 1.0
    assert ("against", "0.181") in widths  # 0.94 of 5.20


def test_a_large_model_fits_the_map():
    record = sample_record()
    record["model"].update(layers=48, heads=32)
    page = Reader(render(record))
    box = next(a["viewbox"] for n, a in page.elements if a.get("class") == "map")
    assert float(box.split()[2]) <= 680


def test_groups_that_are_not_on_the_map_are_listed():
    record = sample_record()
    for row in record["rows"]:
        if row["kind"] == "component":
            row["cause"] = {"id": "early heads", "text": "early heads"}
    assert "early heads" in Reader(render(record)).text


def test_spans_are_merged_clamped_and_escaped():
    assert marked("a<b>cd", [[1, 3], [2, 4], [5, 99], [9, 12]]) == (
        "a<mark>&lt;b&gt;</mark>c<mark>d</mark>"
    )


def test_a_long_text_is_cut_around_its_longest_span():
    text = "x" * 5000 + "found" + "y" * 5000
    shown = marked(text, [[5000, 5005]])
    assert "<mark>found</mark>" in shown
    assert len(shown) < 1000
    assert shown.startswith("… ")
    assert shown.endswith(" …")


def test_escaping_and_elements():
    assert escape("<a href='x'>\x07") == "&lt;a href=&#x27;x&#x27;&gt;\ufffd"
    assert tag("p", "a<", tag("b", 1), None, ["c"], class_="x", hidden=None) == (
        '<p class="x">a&lt;<b>1</b>c</p>'
    )


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.1, 9.7), (0, 0.013), (-250, 900)])
def test_ticks_are_few_round_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    assert all(low <= t <= high for t in found)


def test_the_file_is_written_whole_and_reads_back(tmp_path):
    path = tmp_path / "deep" / "ada.html"
    write_report(sample_record(), path)
    assert path.read_text(encoding="utf-8") == render(sample_record())
    assert [p.name for p in path.parent.iterdir()] == ["ada.html"]


@pytest.mark.parametrize("record", [{}, {"whence": "explanation", "version": 2}, {"whence": "run"}])
def test_another_record_is_refused(record):
    with pytest.raises(DamagedError, match="explanation of version 1"):
        render(record)


def test_documents_by_parts_are_a_map_whose_cells_say_their_nats():
    page = Reader(render(shaped_record()))
    titles = [a["title"] for name, a in page.elements if name == "td" and "title" in a]
    assert len(titles) == 16
    assert titles[3] == "parish-0116, L0.MLP: +0.90 nats"
    assert titles[7] == "parish-0116, L1.MLP: −0.30 nats"
    assert "L0.MLP +0.90, L0.H0 +0.50, L1.MLP −0.30" in page.text
    assert "layer 0" in page.text


def test_more_parts_than_fit_are_put_together_and_keep_their_sums():
    names = [f"L{layer}.H{head}" for layer in range(30) for head in range(8)]
    names += [f"L{layer}.{part}" for layer in range(30) for part in ("KV0", "MLP")]
    names.append("embedding")
    rows = [[1.0] * len(names), [float(i) for i in range(len(names))]]
    wanted, sums = folded(names, rows)
    assert wanted == [*(f"L{layer}" for layer in range(30)), "embedding"]
    assert sums[0] == [10.0] * 30 + [1.0]
    assert [sum(row) for row in sums] == [sum(row) for row in rows]
    few, heads = folded(names[:64], [rows[0][:64]])
    assert (few[:2], heads[0][:2]) == (["L0.attention", "L1.attention"], [8.0, 8.0])
    assert folded(["L0.H0", "x"], [[1.0, 2.0]]) == (["L0.H0", "x"], [[1.0, 2.0]])
