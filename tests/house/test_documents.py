"""Pages show files that tests run: a page cannot drift from the code."""

import re

import pytest

from tests.house.pages import EXAMPLES, FILE, OUTPUT, PAGES, ROOT

LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_shows_is_the_file(page):
    text = page.read_text()
    shown = FILE.findall(text)
    assert text.count("<!-- file:") == len(shown), "a marker without its block"
    assert text.count("<!-- output:") == len(OUTPUT.findall(text)), "a marker without its block"
    for _, name, block, _ in shown:
        assert block == (ROOT / name).read_text(), (
            f"{page.name} and {name} differ: python -m tests.house.pages"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_example_is_on_a_page():
    on_pages = {match[2] for page in PAGES for match in FILE.finditer(page.read_text())}
    assert {f"docs/examples/{path.name}" for path in EXAMPLES.iterdir()} <= on_pages


def test_a_page_that_drifted_is_seen():
    page = "<!-- file: a.py -->\n\n```python\nx = 1\n```\n"
    assert [match[3] for match in FILE.finditer(page)] == ["x = 1\n"]
