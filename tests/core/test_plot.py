"""Plots: every point is where its value says, whatever the axes."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from whence.core.plot import HEIGHT, WIDTH, Axis, Series, plot


def drawn(*series, x=None, y=None):
    svg = plot("title", series, x or Axis("x"), y or Axis("y"))
    return ElementTree.fromstring(svg)


def circles(root):
    return [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter("circle")]


def test_a_logarithmic_axis_gives_equal_steps_to_equal_factors():
    points = [(10.0**k, 1.0 + k) for k in range(4)]
    found = circles(drawn(Series("", points), x=Axis("x", log=True)))
    steps = [b[0] - a[0] for a, b in itertools.pairwise(found)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.05)
    heights = [a[1] - b[1] for a, b in itertools.pairwise(found)]
    assert heights == pytest.approx([heights[0]] * 3, abs=0.05)
    assert all(step > 0 for step in steps + heights)


def test_named_ends_place_values_between_them():
    (low, high) = circles(drawn(Series("", [(0, 0.25), (1, 0.75)]), y=Axis("y", low=0, high=1)))
    top, bottom = 16, HEIGHT - 46
    assert low[1] == pytest.approx(bottom - 0.25 * (bottom - top), abs=0.01)
    assert high[1] == pytest.approx(bottom - 0.75 * (bottom - top), abs=0.01)


def test_values_that_an_axis_cannot_show_are_left_out():
    points = [(0.0, 1.0), (1.0, float("nan")), (2.0, 2.0), (3.0, 3.0)]
    assert len(circles(drawn(Series("", points), x=Axis("x", log=True)))) == 2
    assert "nothing to plot" in plot("t", [Series("", [])], Axis("x"), Axis("y"))


def test_everything_is_inside_and_said_in_words():
    root = drawn(
        Series("dots", [(1, 5), (2, 9)], low=[4, 8], high=[6, 12]),
        Series("a <line>", [(1, 5), (2, 30)], line=True),
    )
    for x, y in circles(root):
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT
    words = [e.text for e in root.iter() if e.text]
    assert {"title", "x", "y", "dots", "a <line>"} <= set(words)
    assert len(re.findall(r"[\d.]+,[\d.]+", next(root.iter("polyline")).get("points"))) == 2


def test_a_single_value_has_an_axis_around_it():
    assert len(circles(drawn(Series("", [(1, 3)])))) == 1
    assert len(circles(drawn(Series("", [(1, 3)]), y=Axis("y", log=True)))) == 1


def test_labels_stand_beside_their_points_and_not_on_each_other():
    crowded = [(1.0, 1.0), (1.0, 1.001), (1.0, 1.002), (2.0, 1.0), (9.0, 5.0)]
    names = ["first", "second", "third", "", "at the right end"]
    root = drawn(Series("", crowded, labels=names))
    words = {e.text: (float(e.get("x")), float(e.get("y"))) for e in root.iter("text")}
    rows = sorted(words[name][1] for name in names[:3])
    assert all(b - a >= 10 for a, b in itertools.pairwise(rows))
    assert max(abs(row - circles(root)[0][1]) for row in rows) < 30
    assert words["at the right end"][0] < circles(root)[-1][0] - 50
    assert "" not in words
