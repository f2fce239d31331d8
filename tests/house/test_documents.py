"""Pages show files that tests run: a page cannot drift from the code."""

import re

import pytest

from tests.house.source import PACKAGE

ROOT = PACKAGE.parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN = re.compile(r"<!-- file: (?P<file>\S+) -->\n+```\w+\n(?P<text>.*?)```\n", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def shown(text):
    return [(match["file"], match["text"]) for match in SHOWN.finditer(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_shows_is_the_file(page):
    text = page.read_text()
    assert text.count("<!-- file:") == len(shown(text)), "a marker without its block"
    for name, block in shown(text):
        assert block == (ROOT / name).read_text(), f"{page.name} and {name} differ"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_example_is_on_a_page():
    on_pages = {name for page in PAGES for name, _ in shown(page.read_text())}
    examples = {str(p.relative_to(ROOT)) for p in (ROOT / "docs" / "examples").glob("*.py")}
    assert examples <= on_pages


def test_a_page_that_drifted_is_seen():
    page = "<!-- file: a.py -->\n\n```python\nx = 1\n```\n"
    assert shown(page) == [("a.py", "x = 1\n")]
