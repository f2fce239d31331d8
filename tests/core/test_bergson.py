"""Folders as bergson 2.5.1 writes them: the layout is taken from its score writer."""

import json

import numpy as np
import pytest

from whence.core import Behavior, Cause, Scores, read_bergson
from whence.core.errors import DamagedError, MethodError

BEHAVIORS = (Behavior("a", " b"), Behavior("c", " d"))
CAUSES = tuple(Cause("document", f"d{i}") for i in range(4))
VALUES = np.array([[1.5, -2.0, 0.25, 3.0], [0.0, 8.0, -0.5, 1.0]])


def write(folder, values, *, config="higher_is_better: true", kind="float32", offsets=None):
    """One "score_i" and one "written_i" a query, each pair padded to a power of two bytes."""
    folder.mkdir()
    queries, rows = values.shape
    size = 2 if kind == "bfloat16" else np.dtype(kind).itemsize
    pair = 1 << size.bit_length()
    names, formats, places = [], [], []
    for i in range(queries):
        names += [f"score_{i}", f"written_{i}"]
        formats += [kind, "bool"]
        places += [i * pair, i * pair + size]
    row = {"names": names, "formats": formats, "offsets": places}
    row["itemsize"] = -(-queries * pair // 8) * 8
    items = rows if offsets is None else len(offsets) - 1
    info = {"num_items": items, "num_rows": rows, "num_scores": queries, "dtype": row}
    if offsets is not None:
        info["attribute_tokens"] = True
        np.save(folder / "offsets.npy", np.array(offsets))
    (folder / "info.json").write_text(json.dumps(info))
    stored = np.dtype({**row, "formats": ["<u2" if f == "bfloat16" else f for f in formats]})
    table = np.zeros(rows, stored)
    for i, column in enumerate(values):
        exact = column.astype(np.float32).view(np.uint32) >> 16
        table[f"score_{i}"] = exact if kind == "bfloat16" else column
        table[f"written_{i}"] = True
    table.tofile(folder / "scores.bin")
    if config:
        (folder / "config.yaml").write_text(f"steps:\n- score:\n    score_cfg:\n      {config}\n")
    return folder


@pytest.mark.parametrize("kind", ["float32", "float64", "bfloat16"])
def test_a_folder_of_documents(tmp_path, kind):
    found = read_bergson(write(tmp_path / "s", VALUES, kind=kind), BEHAVIORS, CAUSES)
    np.testing.assert_array_equal(found.values, VALUES)
    assert (found.unit, found.method) == ("rank", "bergson s")


def test_derivatives_of_a_loss_are_turned_round(tmp_path):
    folder = write(tmp_path / "s", VALUES, config="higher_is_better: false")
    np.testing.assert_array_equal(read_bergson(folder, BEHAVIORS, CAUSES).values, -VALUES)
    again = read_bergson(folder, BEHAVIORS, CAUSES, higher_is_better=True)
    np.testing.assert_array_equal(again.values, VALUES)


def test_a_sign_that_is_not_known_is_asked_for(tmp_path):
    with pytest.raises(MethodError, match="--higher-is-better"):
        read_bergson(write(tmp_path / "s", VALUES, config=""), BEHAVIORS, CAUSES)


def test_tokens_are_added_up_over_their_documents(tmp_path):
    tokens = np.array([[1.0, 2, 4, 8, 16, 32, 64], [1, 0, 0, 0, 0, 0, 1]])
    folder = write(tmp_path / "s", tokens, offsets=[0, 2, 3, 3, 7])
    found = read_bergson(folder, BEHAVIORS, CAUSES).values
    assert found.tolist() == [[3, 4, 0, 120], [1, 0, 0, 1]]


def test_candidates_alone_have_scores(tmp_path):
    folder = write(tmp_path / "s", VALUES[:, :2])
    np.save(folder / "candidates.npy", np.array([3, 1]))
    found = read_bergson(folder, BEHAVIORS, CAUSES)
    np.testing.assert_array_equal(found.values[0], [np.nan, -2.0, np.nan, 1.5])
    assert found.coverage.share == 0.5


def test_what_does_not_fit_or_was_not_finished(tmp_path):
    folder = write(tmp_path / "s", VALUES)
    with pytest.raises(MethodError, match="2 queries and 4 documents"):
        read_bergson(folder, BEHAVIORS, CAUSES[:3])
    with pytest.raises(MethodError, match="2 queries"):
        read_bergson(folder, BEHAVIORS[:1], CAUSES)
    data = bytearray((folder / "scores.bin").read_bytes())
    data[4] = 0  # the first row's first flag
    (folder / "scores.bin").write_bytes(data)
    with pytest.raises(DamagedError, match="1 rows that bergson did not reach"):
        read_bergson(folder, BEHAVIORS, CAUSES)
    (folder / "scores.bin").write_bytes(data[:20])
    with pytest.raises(DamagedError, match=r"scores\.bin"):
        read_bergson(folder, BEHAVIORS, CAUSES)
    (folder / "info.json").write_text("{}")
    with pytest.raises(DamagedError, match=r"info\.json"):
        read_bergson(folder, BEHAVIORS, CAUSES)


def test_a_folder_that_another_program_wrote(tmp_path):
    record = {
        "version": 1,
        "method": "mine",
        "estimand": "additive",
        "unit": "rank",
        "behaviors": [b.to_json() for b in BEHAVIORS],
        "causes": ["d0", {"kind": "document", "id": "d1"}, "d2", "d3"],
    }
    (tmp_path / "scores.json").write_text(json.dumps(record))
    np.save(tmp_path / "values.npy", VALUES.astype(np.float32))
    found = Scores.load(tmp_path)
    assert found.causes == CAUSES
    np.testing.assert_array_equal(found.values, VALUES)
    from safetensors.numpy import save_file

    (tmp_path / "values.npy").unlink()
    with pytest.raises(DamagedError, match=r"values\.npy"):
        Scores.load(tmp_path)
    save_file({"values": VALUES}, tmp_path / "values.safetensors")
    np.testing.assert_array_equal(Scores.load(tmp_path).values, VALUES)
