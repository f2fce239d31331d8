from __future__ import annotations

import struct

import numpy as np
import pytest
import torch

from whence.core.errors import DamagedError, RunError
from whence.training import open_olmo, open_pythia, token_losses

ROWS, WIDTH, STEPS = 3, 9, 4


@pytest.fixture
def pythia(tmp_path):
    """Written byte by byte as Megatron writes it."""
    tokens = np.random.default_rng(0).integers(0, 300, (ROWS * STEPS + 1, WIDTH))
    tokens.astype("<u2").tofile(tmp_path / "document.bin")
    n = len(tokens)
    head = b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, 8, n, n + 1)
    sizes = np.full(n, WIDTH, dtype="<i4").tobytes()
    begins = (np.arange(n, dtype="<i8") * WIDTH * 2).tobytes()
    documents = np.arange(n + 1, dtype="<i8").tobytes()
    (tmp_path / "document.idx").write_bytes(head + sizes + begins + documents)
    return tmp_path, tokens


def test_pythia(pythia, run):
    folder, tokens = pythia
    public = open_pythia(folder / "document", run.path / "checkpoints", rows=ROWS)
    assert (public.steps, public.kind) == (STEPS, "published")
    assert (public.tokens(2) == tokens[ROWS : 2 * ROWS]).all()
    assert public.order_of(2).document.tolist() == [3, 4, 5]
    batch = public.batch(2)
    assert torch.equal(batch.targets[:, -1], torch.from_numpy(tokens[ROWS : 2 * ROWS, -1]))
    with torch.no_grad():
        logits = public.model(8).module(batch.ids).logits.log_softmax(-1)
        losses = token_losses(public.model(8).module, batch)
    picked = -logits.gather(2, batch.targets[..., None])[..., 0]
    torch.testing.assert_close(losses, picked)


def test_pythia_refuses(pythia):
    folder, _ = pythia
    public = open_pythia(folder / "document.bin", rows=ROWS)
    with pytest.raises(RunError, match="from 1 to 4"):
        public.tokens(5)
    with pytest.raises(RunError, match="step 7"):
        public.model(7)
    with pytest.raises(RunError, match="published"):
        public.replay(np.ones(3))
    with (folder / "document.bin").open("r+b") as file:
        file.truncate(50)
    with pytest.raises(DamagedError, match=r"document\.bin"):
        open_pythia(folder / "document", rows=ROWS)
    with (folder / "document.idx").open("r+b") as file:
        file.truncate(60)
    with pytest.raises(DamagedError, match=r"document\.idx"):
        open_pythia(folder / "document", rows=ROWS)
    (folder / "document.idx").write_bytes(b"something else altogether, and long enough")
    with pytest.raises(RunError, match="Megatron"):
        open_pythia(folder / "document", rows=ROWS)


def test_olmo(tmp_path):
    rng = np.random.default_rng(0)
    files = [rng.integers(0, 300, n).astype("<u2") for n in (35, 8, 50)]
    paths = [tmp_path / f"part-{i}.npy" for i in range(3)]
    for tokens, path in zip(files, paths, strict=True):
        tokens.tofile(path)
    chunks = [f[i : i + 8] for f in files for i in range(0, len(f) - 7, 8)]
    order = rng.permutation(len(chunks)).astype("<u4")
    order.tofile(tmp_path / "global_indices.npy")
    options = {"rows": 2, "sequence_length": 8}
    public = open_olmo(tmp_path / "global_indices.npy", paths, **options)
    assert public.steps == len(chunks) // 2
    for step in range(1, public.steps + 1):
        wanted = [chunks[k] for k in order[2 * step - 2 : 2 * step]]
        assert (public.tokens(step) == np.stack(wanted)).all()
        assert public.batch(step).predicted == 14
    with pytest.raises(RunError, match="instances below"):
        open_olmo(tmp_path / "global_indices.npy", paths[:1], **options)
    counted = open_olmo(tmp_path / "global_indices.npy", paths, partial=True, **options)
    last_of_first = counted.tokens_of(np.array([4]))[0]
    assert last_of_first.tolist() == [*files[0][32:].tolist(), 0, 0, 0, 0, 0]
