import pickle

import numpy as np
import pytest

from tests.corpus.samples import TEXTS, documents, make
from whence.core.errors import CorpusError, DamagedError
from whence.corpus import BuildSettings, build_from_documents, check, open_corpus


@pytest.fixture
def fresh(tmp_path):
    return build_from_documents(documents(TEXTS), tmp_path / "c", BuildSettings(vocab_size=300))


def test_documents_by_position_and_id(fresh):
    assert fresh.document("d2").index == 2
    assert fresh.document(2).id == "d2"
    assert [fresh.position(name) for name in fresh.ids] == list(range(len(TEXTS)))
    assert fresh.ids[1:3] == ["d1", "d2"]
    assert fresh.n_tokens == fresh.lengths.sum() == fresh.offsets[-1]


@pytest.mark.parametrize("which", ["none", 5, -1])
def test_a_document_that_is_not_there(fresh, which):
    with pytest.raises(CorpusError, match=repr(which)):
        fresh.document(which)


def test_the_digest_follows_content_and_not_the_way_it_came(fresh, tmp_path, tmp_path_factory):
    settings = BuildSettings(vocab_size=300)
    again = build_from_documents(iter(documents(TEXTS)), tmp_path / "again", settings)
    assert again.digest == fresh.digest
    other = build_from_documents(documents(TEXTS[::-1]), tmp_path / "other", settings)
    assert other.digest != fresh.digest
    assert make(tmp_path_factory, TEXTS, tokenizer="bytes").digest != fresh.digest


def test_arrays_are_memory_mapped(fresh):
    base = fresh.tokens
    while not isinstance(base, np.memmap) and base.base is not None:
        base = base.base
    assert isinstance(base, np.memmap)
    assert not fresh.tokens.flags.writeable


def test_a_worker_process_opens_it_again(fresh):
    assert pickle.loads(pickle.dumps(fresh)).digest == fresh.digest


def test_a_sound_corpus_passes_the_full_check(fresh):
    files = check(fresh)
    fresh.index()
    assert check(fresh.path) == files + 5


@pytest.mark.parametrize("name", ["tokens.npy", "offsets.npy", "text.bin", "documents.arrow"])
def test_a_truncated_file_is_seen_on_opening(fresh, name):
    path = fresh.path / name
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DamagedError, match=rf"{name}: expected \d+ bytes"):
        open_corpus(fresh.path)


def test_an_altered_file_is_seen_by_the_full_check(fresh):
    path = fresh.path / "tokens.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    open_corpus(fresh.path)
    with pytest.raises(DamagedError, match=r"tokens\.npy"):
        check(fresh.path)


def test_tokens_beyond_the_vocabulary_are_seen_even_when_sealed(fresh):
    from whence.core.records import seal

    path = fresh.path / "tokens.npy"
    path.write_bytes(path.read_bytes()[:-2] + b"\xff\xff")
    seal(fresh.path)
    with pytest.raises(DamagedError, match=r"token ids below \d+, got 65535"):
        check(fresh.path)


def test_an_altered_tokenizer_of_the_same_size_is_named(fresh):
    path = fresh.path / "tokenizer" / "tokenizer.json"
    path.write_bytes(path.read_bytes()[:-3] + b"###")
    with pytest.raises(DamagedError, match=r"tokenizer\.json"):
        open_corpus(fresh.path).encode("ada")


def test_a_missing_file_is_seen(fresh):
    (fresh.path / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(DamagedError, match="no such file"):
        open_corpus(fresh.path)


def test_what_is_not_a_corpus(tmp_path):
    with pytest.raises(CorpusError, match="no such folder"):
        open_corpus(tmp_path / "none")
    with pytest.raises(CorpusError, match="something else"):
        open_corpus(tmp_path)
    (tmp_path / ".c.build").mkdir()
    with pytest.raises(CorpusError, match="an unfinished one"):
        open_corpus(tmp_path / "c")


def test_a_document_table_of_other_bytes(fresh):
    path = fresh.path / "documents.arrow"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(DamagedError, match=r"documents\.arrow: expected a table"):
        open_corpus(fresh.path)
