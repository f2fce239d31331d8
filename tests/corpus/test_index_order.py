"""The order of suffixes, against sorting them as Python does, and the bytes of a shard."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.brute import NoBar, index_of, source_of
from whence.core.records import manifest
from whence.corpus.index.shard import build_shard

SMALL = [HealthCheck.function_scoped_fixture]


def order(index):
    """The places of all suffixes, in the order of the index."""
    shard = index.shards[0]
    packed = np.concatenate([np.load(path) for path in [shard_file(index)]])
    bits = np.unpackbits(packed, bitorder="little")[: shard.packing.count * shard.packing.bits]
    rows = bits.reshape(-1, shard.packing.bits).astype(np.int64)
    return (rows << np.arange(shard.packing.bits)).sum(1).tolist()


def shard_file(index):
    folder, documents, _ = index.reopen[1]
    return folder / f"0-{len(documents)}" / "suffixes.npy"


def sorted_places(documents):
    """Every place, by what is written from there to its document's end."""
    suffixes, place = [], 0
    for document in documents:
        for start in range(len(document)):
            suffixes.append((document[start:], place))
            place += 1
    return [place for _, place in sorted(suffixes)]


@settings(max_examples=100, deadline=None, suppress_health_check=SMALL)
@given(
    documents=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=70), max_size=8),
    copies=st.integers(1, 3),
    kind=st.sampled_from([np.uint8, np.uint16, np.uint32]),
    wide=st.booleans(),
)
def test_few_kinds_of_tokens(tmp_path_factory, documents, copies, kind, wide):
    documents = [[0], *(documents * copies)]
    vocabulary = 3
    if wide:
        # The same order, spread over all the bits that there are.
        vocabulary = 256 if kind == np.uint8 else 1 << 16
        documents = [[t * (vocabulary - 1) // 2 for t in d] for d in documents]
    index = index_of(tmp_path_factory.mktemp("o"), documents, vocabulary, kind=kind)
    assert order(index) == sorted_places(documents)


DIFFICULT = {
    "one token, over and over": [[5] * 700],
    "a short period": [[1, 2, 3] * 200, [2, 3, 1] * 150],
    "a period as long as a window": [list(range(16)) * 40],
    "equal documents": [list(range(40)) * 3] * 30,
    "a long repeat with differing ends": [[*range(300), n] for n in (3, 1, 2)] * 2,
    "one inside another": [list(range(200))[i:] for i in range(0, 180, 7)],
    "no repeats": [list(range(2000))],
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", DIFFICULT)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32])
def test_difficult_texts(tmp_path, name, kind, threads):
    documents = [[t % 250 for t in d] for d in DIFFICULT[name]]
    index = index_of(tmp_path, documents, 250, kind=kind, threads=threads, room=500)
    assert order(index) == sorted_places(documents)


def repeated(seed, vocabulary):
    """Text that says much several times, from within and at various lengths."""
    rng = np.random.default_rng(seed)
    text = rng.zipf(1.3, 30_000).clip(max=vocabulary - 1)
    for _ in range(60):
        a, b = rng.integers(0, 29_000, 2)
        length = int(rng.integers(20, 900))
        text[a : a + length] = text[b : b + length][: len(text[a : a + length])]
    cuts = np.sort(rng.choice(np.arange(1, 30_000), 90, replace=False))
    return [part.tolist() for part in np.split(text, cuts)]


def test_neither_memory_nor_threads_show_in_the_bytes(tmp_path):
    source = source_of(repeated(0, 500), 500)
    found = []
    for number, (threads, room) in enumerate([(1, 1 << 20), (2, 1 << 20), (2, 3000), (3, 1)]):
        folder = tmp_path / str(number)
        build_shard(source, folder, {}, threads=threads, room=room, shown=NoBar())
        found.append(manifest(folder))
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize(("vocabulary", "kind"), [(500, np.uint16), (1 << 20, np.uint32)])
def test_long_repeats(tmp_path, vocabulary, kind):
    documents = repeated(1, vocabulary)
    index = index_of(tmp_path, documents, vocabulary, kind=kind, threads=2, room=5000)
    assert order(index) == sorted_places(documents)


def test_a_long_run_and_many_copies_are_sorted_in_reasonable_time(tmp_path):
    """Plain sorting would compare some 10^10 tokens here."""
    rng = np.random.default_rng(0)
    copy = rng.integers(0, 1000, 100_000).tolist()
    documents = [[7] * 200_000, copy, copy, [*copy[500:], 3]]
    index = index_of(tmp_path, documents, 1000, threads=2)
    places = order(index)
    assert sorted(places) == list(range(len(places)))
    assert index.count([7] * 199_999) == 2
    assert index.count(copy[600:]) == 3
    run = [p for p in places if p < 200_000]
    assert run == list(range(199_999, -1, -1))
