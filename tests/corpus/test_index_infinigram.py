"""An index laid out as infini-gram lays it out, by plain sorting, gives every answer."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.brute import Brute
from whence.core.errors import CorpusError, DamagedError
from whence.corpus import open_infinigram

SMALL = [HealthCheck.function_scoped_fixture]


def lay_out(folder, number, documents, width):
    separator = (1 << 8 * width) - 1
    tokens = np.array([t for d in documents for t in (separator, *d)], f"<u{width}")
    data = tokens.tobytes()
    begins = np.cumsum([0, *(width * (len(d) + 1) for d in documents)])[:-1]
    order = sorted(range(0, len(data), width), key=lambda at: data[at:])
    size = max(1, math.ceil(math.log2(len(data)) / 8))
    table = b"".join(at.to_bytes(size, "little") for at in order)
    (folder / f"tokenized.{number}").write_bytes(data)
    (folder / f"offset.{number}").write_bytes(begins.astype("<u8").tobytes())
    (folder / f"table.{number}").write_bytes(table)


@settings(max_examples=80, deadline=None, suppress_health_check=SMALL)
@given(
    documents=st.lists(
        st.lists(st.integers(0, 3), min_size=1, max_size=10), min_size=2, max_size=7
    ),
    query=st.lists(st.integers(0, 3), min_size=1, max_size=9),
    width=st.sampled_from([1, 2, 4]),
    cut=st.booleans(),
)
def test_every_answer(tmp_path_factory, documents, query, width, cut):
    # Tokens whose order differs from that of their bytes, where there is more than one byte.
    names = [1, 2, 3, 250] if width == 1 else [1, 255, 256, 513]
    documents = [[names[t] for t in d] for d in documents]
    query, folder = [names[t] for t in query], tmp_path_factory.mktemp("infini")
    parts = [documents[:1], documents[1:]] if cut else [documents]
    for number, part in enumerate(parts):
        lay_out(folder, number, part, width)
    index, brute = open_infinigram(folder, width), Brute(documents)
    for end in range(1, len(query) + 1):
        assert index.count(query[:end]) == brute.count(query[:end])
        found = [(o.document, o.offset) for o in index.locate(query[:end])]
        assert found == brute.places(query[:end])
    for end in range(len(query)):
        tokens, counts = index.next(query[:end])
        pairs = list(zip(counts.tolist(), tokens.tolist(), strict=True))
        assert pairs == brute.next(query[:end])
    lengths = [brute.longest(query, start) for start in range(len(query))]
    assert index.longest_matches(query).lengths.tolist() == lengths
    assert index.longest_by_document(query).tolist() == brute.by_document(query)
    found = index.infinity_probabilities(query)
    expected = [brute.infinity(query, i) for i in range(len(query))]
    np.testing.assert_array_equal(found.probability, [e[0] for e in expected])
    np.testing.assert_array_equal(found.length, [e[1] for e in expected])
    half = np.arange(len(documents)) % 2 == 0
    some = Brute([d if w else [] for d, w in zip(documents, half, strict=True)])
    restricted = index.restricted(half)
    assert restricted.count(query[:2]) == some.count(query[:2])
    assert restricted.tokens == sum(map(len, some.documents))


def test_what_is_no_such_index(tmp_path):
    with pytest.raises(CorpusError, match=r"no tokenized\.0"):
        open_infinigram(tmp_path)
    lay_out(tmp_path, 0, [[1, 2], [3]], 2)
    with pytest.raises(CorpusError, match="3 bytes"):
        open_infinigram(tmp_path, 3)
    with pytest.raises(CorpusError, match="from 0 to 65534, got 65535"):
        open_infinigram(tmp_path).count([65535])
    with pytest.raises(CorpusError, match="an index that Whence made"):
        next(open_infinigram(tmp_path).repeats(1))
    with pytest.raises(DamagedError, match="fit one another"):
        open_infinigram(tmp_path, 1)
    (tmp_path / "table.0").write_bytes(b"1234567")
    with pytest.raises(DamagedError, match="fit one another"):
        open_infinigram(tmp_path)
