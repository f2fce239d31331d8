r"""Public training orders: Pythia's and OLMo's, opened beside their public checkpoints.

Neither project published which *document* was where, but which *sequence of tokens*: so a
"document" of such a run is one training sequence, and its index is its number in the files.

Pythia (EleutherAI/pythia, `utils/batch_viewer.py`) published the Pile already shuffled, in
Megatron's format of two files. `document.idx`: the 9 bytes `MMIDIDX\0\0`, version 1 as
u64, a byte for the token type (8 is u16, 4 is i32), the numbers of sequences and of
documents as u64, then the length of each sequence (i32) and where it begins in
`document.bin` in bytes (i64); all little-endian. Update k (from 1) sees sequences
1024 (k - 1) ... 1024 k - 1 of 2,049 tokens each: 2,048 to read and one more to predict.

OLMo (allenai/OLMo, `olmo/data/memmap_dataset.py`) published `global_indices.npy`, which
despite its name is bare u32 without a header: update k sees the instances named by entries
B (k - 1) ... B k - 1, where B is `global_train_batch_size` of the training's YAML.
Instances number the chunks of `max_sequence_length` tokens of the files under `data.paths`,
in that order; each file is bare u16 (or u32), and its last, shorter chunk is left out
(`partial=True` counts it, as later versions of OLMo do).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from jaxtyping import Int

from whence.core.errors import DamagedError, RunError
from whence.models import Model, open_model
from whence.training.batch import NOTHING, Batch
from whence.training.order import Order

_MAGIC = b"MMIDIDX\x00\x00"
_TYPES = {1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 8: "<u2"}
_STEP = re.compile(r"step[-_]?0*(\d+)")


@dataclass(frozen=True, eq=False, slots=True)
class PublishedRun:
    """A training that others made and whose order and checkpoints are public.

    Attributes:
        source: which reader opened it.
        path: of the order file.
        steps: the last step that the files hold whole.
        rows: sequences a step.
        places: step -> checkpoint, a folder or a name on the hub.
        sequences_of: the numbers of the sequences of a step.
        tokens_of: the tokens of numbered sequences.
        shifted: whether sequences carry one token more than the model reads.
    """

    source: str
    path: Path
    steps: int
    rows: int
    places: Mapping[int, str] = field(repr=False)
    sequences_of: Callable[[int], Int[np.ndarray, " row"]] = field(repr=False)
    tokens_of: Callable[[Int[np.ndarray, " row"]], Int[np.ndarray, "row position"]] = field(
        repr=False
    )
    shifted: bool = False
    kind: str = "published"
    finished: bool = True

    def tokens(self, step: int) -> Int[np.ndarray, "row position"]:
        """The token sequences that a step saw.

        Raises:
            RunError: there is no such step.
        """
        return self.tokens_of(self._sequences(step))

    def order_of(self, step: int) -> Order:
        """The entries of one step; documents are numbers of sequences.

        Raises:
            RunError: there is no such step.
        """
        sequences = self._sequences(step)
        width = self.tokens_of(sequences[:1]).shape[1]
        row, none = np.arange(len(sequences)), np.zeros(len(sequences), dtype=np.int64)
        return Order(none + step, row, none, sequences, none, none + width)

    def batch(self, step: int) -> Batch:
        """What a step saw, as tensors for `whence.training.token_losses`.

        Raises:
            RunError: there is no such step.
        """
        tokens = torch.from_numpy(self.tokens(step).astype(np.int64))
        targets = torch.cat([tokens[:, 1:], torch.full_like(tokens[:, :1], NOTHING)], 1)
        length = tokens.shape[1] - (1 if self.shifted else 0)
        ids, targets = tokens[:, :length].contiguous(), targets[:, :length].contiguous()
        owner = torch.from_numpy(self._sequences(step))[:, None].expand_as(ids)
        positions = torch.arange(length).expand_as(ids)
        return Batch(ids, targets, owner, torch.zeros_like(ids), positions, positions, packed=False)

    def model(self, step: int | None = None) -> Model:
        """The public checkpoint of a step; None means the last one given.

        Raises:
            RunError: no checkpoint of that step was given.
            ModelError: it cannot be opened.
        """
        wanted = max(self.places, default=0) if step is None else step
        if wanted not in self.places:
            raise RunError(
                f"{self.source}, step {wanted}",
                expected=f"a step out of {', '.join(map(str, sorted(self.places))) or 'none'}",
                got=str(wanted),
                fix="Give the folder of that checkpoint when opening the run.",
            )
        return open_model(self.places[wanted])

    def replay(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: the training was not made by Whence.

        Raises:
            RunError: always.
        """
        raise RunError(
            f"{self.source} {self.path}",
            expected="a run trained by Whence",
            got="a published one, whose training cannot be run again here",
            fix="Train a model on a corpus of yours with `whence train`.",
        )

    def _sequences(self, step: int) -> Int[np.ndarray, " row"]:
        if not 1 <= step <= self.steps:
            raise RunError(
                f"{self.path}, step {step}",
                expected=f"a step from 1 to {self.steps}",
                got=str(step),
                fix="Steps count from 1: step k is the k-th update.",
            )
        return self.sequences_of(step)


def open_pythia(
    order_files: Path | str,
    checkpoints: Path | str | Mapping[int, str | Path] | None = None,
    *,
    rows: int = 1024,
) -> PublishedRun:
    """Open Pythia's pre-shuffled data as a run.

    Args:
        order_files: `document.bin`, `document.idx`, or both without the suffix.
        checkpoints: step -> folder or hub name, or a folder of folders named `step1000`.
        rows: sequences a step.

    Raises:
        RunError: a file is missing or is not of this format.
        DamagedError: the tokens end before the index says.
    """
    prefix = Path(order_files)
    prefix = prefix.with_suffix("") if prefix.suffix in (".bin", ".idx") else prefix
    index, data = prefix.with_suffix(".idx"), prefix.with_suffix(".bin")
    _must_exist(index, data)
    kind, sizes, begins = _read_index(index)
    if len(sizes) and (sizes != sizes[0]).any():
        _wrong(index, "sequences of one length", f"lengths from {sizes.min()} to {sizes.max()}")
    width = int(sizes[0]) if len(sizes) else 0
    tokens = np.asarray(np.memmap(data, dtype=kind, mode="r"))
    needed = int(begins.max(initial=-1)) // kind.itemsize + width
    if needed > len(tokens):
        raise DamagedError(
            str(data),
            expected=f"{needed} tokens",
            got=str(len(tokens)),
            fix="Join all shards of the file (Pythia's utils/unshard_memmap.py), or get it again.",
        )

    def sequences_of(step: int) -> Int[np.ndarray, " row"]:
        return np.arange((step - 1) * rows, step * rows)

    def tokens_of(which: Int[np.ndarray, " row"]) -> Int[np.ndarray, "row position"]:
        first = begins[which] // kind.itemsize
        found: Int[np.ndarray, "row position"] = tokens[first[:, None] + np.arange(width)]
        return found.astype(np.int64)

    steps = len(sizes) // rows
    places = _places(checkpoints)
    return PublishedRun("pythia", index, steps, rows, places, sequences_of, tokens_of, shifted=True)


def open_olmo(
    global_indices: Path | str,
    data_paths: Sequence[Path | str],
    checkpoints: Path | str | Mapping[int, str | Path] | None = None,
    *,
    rows: int,
    sequence_length: int = 2048,
    token_type: str = "u2",
    partial: bool = False,
) -> PublishedRun:
    """Open OLMo's data order as a run.

    Args:
        global_indices: the file of that name.
        data_paths: the token files in the order of `data.paths` in the training's YAML.
        checkpoints: step -> folder or hub name, or a folder of folders named `step1000`.
        rows: `global_train_batch_size`.
        sequence_length: `model.max_sequence_length`.
        token_type: "u2" or "u4".
        partial: whether the shorter last chunk of a file counts as an instance.

    Raises:
        RunError: a file is missing, or an index is beyond the data.
    """
    path, files = Path(global_indices), [Path(p) for p in data_paths]
    _must_exist(path, *files)
    indices = np.asarray(np.memmap(path, dtype="<u4", mode="r"))
    parts = [np.asarray(np.memmap(p, dtype=f"<{token_type}", mode="r")) for p in files]
    counts = [
        -(-len(p) // sequence_length) if partial else len(p) // sequence_length for p in parts
    ]
    ends = np.cumsum(counts)
    if len(indices) and int(indices.max()) >= int(ends[-1] if len(ends) else 0):
        _wrong(path, f"instances below {ends[-1] if len(ends) else 0}", str(int(indices.max())))

    def sequences_of(step: int) -> Int[np.ndarray, " row"]:
        return indices[(step - 1) * rows : step * rows].astype(np.int64)

    def tokens_of(which: Int[np.ndarray, " row"]) -> Int[np.ndarray, "row position"]:
        found = np.zeros((len(which), sequence_length), dtype=np.int64)
        owner: Int[np.ndarray, " row"] = np.searchsorted(ends, which, side="right")
        for row, (number, part) in enumerate(zip(which, owner, strict=True)):
            begin = (int(number) - int(ends[part]) + counts[part]) * sequence_length
            chunk = parts[part][begin : begin + sequence_length]
            found[row, : len(chunk)] = chunk
        return found

    steps = len(indices) // rows
    return PublishedRun("olmo", path, steps, rows, _places(checkpoints), sequences_of, tokens_of)


def _read_index(
    path: Path,
) -> tuple[np.dtype[Any], Int[np.ndarray, " sequence"], Int[np.ndarray, " sequence"]]:
    head = len(_MAGIC) + 25
    with path.open("rb") as file:
        start = file.read(head)
    if len(start) < head or not start.startswith(_MAGIC):
        _wrong(path, "an index in Megatron's format", repr(start[:9]))
    version, kind, sequences, _ = struct.unpack("<QBQQ", start[len(_MAGIC) :])
    if version != 1 or kind not in _TYPES:
        _wrong(path, "version 1 and tokens as whole numbers", f"version {version}, type {kind}")
    if path.stat().st_size < head + 12 * sequences:
        raise DamagedError(
            str(path),
            expected=f"{head + 12 * sequences} bytes",
            got=f"{path.stat().st_size} bytes",
            fix="The file is truncated: get it again.",
        )
    # Not aligned, so read through bytes of one type each.
    raw = np.asarray(np.memmap(path, dtype="u1", mode="r"))
    sizes = raw[head : head + 4 * sequences].view("<i4")
    begins = raw[head + 4 * sequences : head + 12 * sequences].view("<i8")
    return np.dtype(_TYPES[kind]), sizes, begins


def _places(given: Path | str | Mapping[int, str | Path] | None) -> dict[int, str]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {int(step): str(place) for step, place in given.items()}
    folder = Path(given)
    _must_exist(folder)
    named = [(_STEP.match(p.name), p) for p in sorted(folder.iterdir()) if p.is_dir()]
    return {int(found[1]): str(p) for found, p in named if found is not None}


def _must_exist(*paths: Path) -> None:
    for path in paths:
        if not path.exists():
            _wrong(path, "a file of a published training", "no such file")


def _wrong(path: Path, expected: str, got: str) -> NoReturn:
    raise RunError(str(path), expected=expected, got=got, fix="Check the path and its source.")
