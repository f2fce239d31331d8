import gzip
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from whence.core.errors import MissingExtraError, SourceError
from whence.corpus import BuildSettings, RawDocument, build_corpus

ROWS = [
    {"id": "a", "text": "one", "year": 1815},
    {"id": "b", "text": "two\r\nlines", "year": 1816},
    {"id": "c", "text": "漢字", "year": None},
]


def as_bytes(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def build(tmp_path, *sources, **settings):
    return build_corpus(
        sources, tmp_path / "out" / "c", BuildSettings(**{"tokenizer": "bytes", **settings})
    )


def content(corpus):
    return [(d.id, d.text, d.metadata) for d in map(corpus.document, range(corpus.n_documents))]


EXPECTED = [(r["id"], r["text"], {"year": r["year"]}) for r in ROWS]


def write_plain(path):
    path.write_bytes(as_bytes(ROWS))


def write_gzip(path):
    path.write_bytes(gzip.compress(as_bytes(ROWS)))


def write_frames(path):
    packed = [zstandard.compress(as_bytes([row])) for row in ROWS]
    path.write_bytes(b"".join(packed))


def write_parquet(path):
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=2)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("s.jsonl", write_plain),
        ("s.jsonl.gz", write_gzip),
        ("s.jsonl.zst", write_frames),
        ("s.parquet", write_parquet),
    ],
)
def test_every_row_format_gives_the_same_documents(tmp_path, name, write):
    write(tmp_path / name)
    assert content(build(tmp_path, tmp_path / name)) == EXPECTED


def test_a_data_set_saved_on_disk(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list(ROWS)
    rows.save_to_disk(str(tmp_path / "one"))
    assert content(build(tmp_path, tmp_path / "one")) == EXPECTED


def test_splits_of_a_data_set(tmp_path):
    datasets = pytest.importorskip("datasets")
    parts = {"dev": datasets.Dataset.from_list(ROWS[:1]), "test": datasets.Dataset.from_list(ROWS)}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "two"))
    with pytest.raises(SourceError, match="a split out of dev, test"):
        build(tmp_path, tmp_path / "two")
    assert build(tmp_path, tmp_path / "two", split="dev").n_documents == 1


def test_a_data_set_without_its_package_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "dataset_info.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"whence\[datasets\]"):
        build(tmp_path, tmp_path / "d")


def test_a_data_set_by_name(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    asked = []

    def load(*names):
        asked.append(names)
        return datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS)})

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert content(build(tmp_path, "hf:owner/name:config:train")) == EXPECTED
    assert set(asked) == {("owner/name", "config")}
    with pytest.raises(SourceError, match="a split out of train, got 'dev'"):
        build(tmp_path, "hf:owner/name:dev")


def test_a_folder_in_the_order_of_its_paths(tmp_path):
    for name in ("b.txt", "a/z.MD", "a/c.py", "x.bin", ".hidden/h.txt", "a/.h.txt"):
        path = tmp_path / "s" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}")
    assert list(build(tmp_path, tmp_path / "s").ids) == ["b.txt", "a/c.py", "a/z.MD"]


def test_a_corpus_inside_its_own_folder_is_no_source(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    first = build(tmp_path, tmp_path)
    (first.path / "merges.txt").write_text("not a document")
    assert build(tmp_path, tmp_path).digest == first.digest


def test_a_document_needs_an_id_and_text_that_can_be_written():
    with pytest.raises(SourceError, match="an id, got an empty one"):
        RawDocument("", "x")
    with pytest.raises(SourceError, match=r"'a', text: .*lone surrogate"):
        RawDocument("a", "x\ud800")


def test_suffixes_choose_files_and_rows_inside_folders(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "a.txt").write_text("text")
    write_plain(tmp_path / "s" / "r.jsonl")
    corpus = build(tmp_path, tmp_path / "s", suffixes=("jsonl",))
    assert list(corpus.ids) == ["a", "b", "c"]


def test_a_text_file_is_one_document_without_its_byte_order_mark(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfhello\n\nthere")
    assert content(build(tmp_path, tmp_path / "a.txt")) == [("a.txt", "hello\n\nthere", {})]


def test_rows_without_an_id_are_numbered_by_line(tmp_path):
    (tmp_path / "s.jsonl").write_text('{"text": "a"}\n\n{"text": "b"}\n')
    assert list(build(tmp_path, tmp_path / "s.jsonl").ids) == ["s.jsonl:1", "s.jsonl:3"]


def test_other_fields(tmp_path):
    (tmp_path / "s.jsonl").write_text('{"body": "a", "key": 7, "id": "mine", "tags": ["x"]}\n')
    corpus = build(tmp_path, tmp_path / "s.jsonl", text_field="body", id_field="key")
    assert content(corpus) == [("7", "a", {"id_": "mine", "tags": '["x"]'})]


def test_fields_of_several_kinds_become_one(tmp_path):
    rows = [
        {"text": "a", "n": 1, "m": 1, "b": True, "f": 1.5, "big": 2**70},
        {"text": "b", "n": "x", "m": 2.5, "b": False, "f": None, "big": 1},
        {"text": "c", "new": "late"},
    ]
    (tmp_path / "s.jsonl").write_bytes(as_bytes(rows))
    columns = build(tmp_path, tmp_path / "s.jsonl").metadata.to_pydict()
    del columns["id"]
    assert columns == {
        "n": ["1", "x", None],
        "m": [1.0, 2.5, None],
        "b": [True, False, None],
        "f": [1.5, None, None],
        "big": [str(2**70), "1", None],
        "new": [None, None, "late"],
    }


def test_empty_documents_are_left_out_and_counted(tmp_path):
    (tmp_path / "s.jsonl").write_bytes(as_bytes([{"text": t} for t in ("a", "", " \n", "b")]))
    corpus = build(tmp_path, tmp_path / "s.jsonl")
    assert list(corpus.ids) == ["s.jsonl:1", "s.jsonl:4"]
    assert corpus.record["sources"] == {
        "documents": 4,
        "empty": 2,
        "cut": 0,
        "unreadable": 0,
    }


BAD = {
    "missing": (None, "no such file or folder"),
    "nothing.jsonl": (b"", "at least one document"),
    "blank.jsonl": (b'{"text": " "}\n', "all of them empty"),
    "list.jsonl": (b'{"text": "a"}\n[1]\n', r"list.jsonl, line 2: expected a JSON object.* a list"),
    "broken.jsonl": (b'{"text": "a"}\n{"te', r"broken.jsonl, line 2: expected a JSON object"),
    "field.jsonl": (b'{"body": "a", "n": 1}\n', r"line 1.*'text'.*body \(str\), n \(int\)"),
    "null.jsonl": (b'{"text": null}\n', r"line 1.*'text'.*text \(NoneType\)"),
    "id.jsonl": (b'{"text": "a", "id": [1]}\n', r"line 1.*an id .* got \[1\]"),
    "latin.jsonl": (b'{"text": "a"}\n{"text": "\xe9"}\n', r"line 2, byte 10 .*UTF-8.*0xe9"),
    "latin.txt": (b"caf\xe9", r"latin.txt, byte 3: expected UTF-8 text.*0xe9"),
    "half.jsonl": (b'{"text": "\\ud83d"}\n', r"line 1, text: expected.*lone surrogate"),
    "cut.jsonl.gz": (gzip.compress(as_bytes(ROWS))[:-9], r"cut.jsonl.gz: expected a .*complete"),
    "cut.jsonl.zst": (zstandard.compress(as_bytes(ROWS))[:-4], r"cut.jsonl.zst.*complete"),
    "not.jsonl.gz": (b"plain", r"not.jsonl.gz: expected a readable"),
    "not.parquet": (b"plain", r"not.parquet: expected a readable Parquet"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_sources_say_what_and_where(tmp_path, name):
    data, message = BAD[name]
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=message):
        build(tmp_path, tmp_path / name)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_folders_without_text_say_what_is_there(tmp_path):
    (tmp_path / "s").mkdir()
    with pytest.raises(SourceError, match="an empty folder"):
        build(tmp_path, tmp_path / "s")
    (tmp_path / "s" / "a.bin").write_text("x")
    with pytest.raises(SourceError, match=r"only files of other kinds \(.bin\)"):
        build(tmp_path, tmp_path / "s")


def test_no_source_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="at least one folder"):
        build(tmp_path)


def test_a_parquet_column_that_is_not_there(tmp_path):
    write_parquet(tmp_path / "s.parquet")
    with pytest.raises(SourceError, match=r"a column 'body'.*id, text, year"):
        build(tmp_path, tmp_path / "s.parquet", text_field="body")


def test_two_folders_with_the_same_file_are_told_apart_in_the_error(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "README.md").write_text(folder)
    with pytest.raises(SourceError, match=r"y/README.md.*also the id of .*x/README.md"):
        build(tmp_path, tmp_path / "x", tmp_path / "y")
    assert list(build(tmp_path, tmp_path).ids) == ["x/README.md", "y/README.md"]


def test_an_empty_name_is_not_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("some text")
    with pytest.raises(SourceError, match="got an empty name"):
        build_corpus([""], tmp_path / "c", BuildSettings())
