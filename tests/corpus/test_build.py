import json

import pytest

from whence.core.errors import CorpusError, SourceError
from whence.corpus import BuildSettings, RawDocument, build, build_corpus, build_from_documents

BYTES = BuildSettings(tokenizer="bytes")


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_jsonl_becomes_documents_with_their_text_ids_and_metadata(tmp_path):
    rows = [
        {"id": "a", "text": "one\n", "year": 1},
        {"id": "b", "text": "zwei 漢字 😀", "year": 2.5, "who": "x"},
    ]
    corpus = build_corpus([write_rows(tmp_path / "s.jsonl", rows)], tmp_path / "c", BYTES)
    assert list(corpus.ids) == ["a", "b"]
    assert [corpus.document(i).text for i in "ab"] == [row["text"] for row in rows]
    assert bytes(corpus.document("b").tokens.tolist()) == rows[1]["text"].encode()
    assert corpus.document(1).metadata == {"year": 2.5, "who": "x"}


def test_documents_from_an_iterator_train_a_tokenizer(tmp_path):
    texts = ["the cat sat on the mat " * 3, "the dog sat on the log"]
    documents = (RawDocument(str(i), text) for i, text in enumerate(texts))
    corpus = build_from_documents(documents, tmp_path / "c", BuildSettings(vocab_size=300))
    assert [corpus.text(i) for i in range(2)] == texts
    assert corpus.n_tokens < sum(map(len, texts))
    assert corpus.encode(texts[1]).tolist() == corpus.document("1").tokens.tolist()


def test_a_finished_corpus_is_opened_and_another_one_is_refused(tmp_path):
    source = write_rows(tmp_path / "s.jsonl", [{"text": "one"}])
    first = build_corpus([source], tmp_path / "c", BYTES)
    assert build_corpus([source], tmp_path / "c", BYTES).digest == first.digest
    with pytest.raises(CorpusError, match="free, or this very corpus"):
        build_corpus([source], tmp_path / "c", BuildSettings(vocab_size=300))


@pytest.mark.parametrize("documents_in_a_part", [1, 2, 100])
def test_equal_ids_are_an_error_that_names_both_places(tmp_path, monkeypatch, documents_in_a_part):
    monkeypatch.setattr(build, "PART_DOCUMENTS", documents_in_a_part)
    a = write_rows(tmp_path / "a.jsonl", [{"id": 1, "text": "one"}, {"id": 2, "text": "two"}])
    b = write_rows(tmp_path / "b.jsonl", [{"id": 2, "text": "zwei"}])
    with pytest.raises(SourceError, match=r"b.jsonl, line 1.*'2'.*a.jsonl, line 2"):
        build_corpus([a, b], tmp_path / "c", BYTES)
