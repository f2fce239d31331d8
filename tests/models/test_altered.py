"""A checkpoint whose bytes changed at the same size is refused when it is opened."""

import pytest

from tests.models.small import small
from whence.core.errors import DamagedError
from whence.core.records import seal
from whence.models import open_model


def test_an_altered_weight_is_noticed(tmp_path):
    model = small("gpt2")
    model.module.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    seal(tmp_path)
    open_model(tmp_path)
    weights = tmp_path / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    with pytest.raises(DamagedError, match=r"model\.safetensors"):
        open_model(tmp_path)
