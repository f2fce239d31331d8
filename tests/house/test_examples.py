"""The examples run, in the order in which a newcomer meets them, in one folder as hers."""

import re

import pytest

from tests.house.pages import EXAMPLES, ORDER, OUTPUT, PAGES, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("newcomer")


@pytest.fixture(scope="module")
def said():
    """Name -> what the example printed; grows as the tests run."""
    return {}


def test_every_example_is_in_the_order():
    assert {path.name for path in EXAMPLES.iterdir()} == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_an_example_runs(name, folder, said):
    said[name] = run(name, folder)
    assert said[name].strip()


def rough(text):
    """A printed text less what another machine may print otherwise: decimals and rules."""
    text = re.sub(r"-?\d+\.\d+", "#.#", text)
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


SHOWN = [match for page in PAGES for match in OUTPUT.finditer(page.read_text())]


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block[2])
def test_a_page_shows_what_an_example_prints(block, said):
    if block[2] not in said:
        pytest.skip(f"{block[2]} was not run: run the whole file")
    assert rough(said[block[2]]) == rough(block[3]), "python -m tests.house.pages"


def test_rough_keeps_words_and_counts():
    assert rough("fell by -1.25 nats\n\n  in 3 steps ") == ["fell by #.# nats", "in 3 steps"]
