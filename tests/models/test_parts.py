import pytest

from tests.models.small import CONFIGS, small
from whence.models import parameter_parts


@pytest.mark.parametrize("architecture", sorted(CONFIGS))
def test_each_parameter_is_in_one_part_and_each_layer_has_its_own(architecture):
    module = small(architecture).module
    parts = parameter_parts(module)
    named = [name for names in parts.values() for name in names]
    assert sorted(named) == sorted(name for name, _ in module.named_parameters())
    layers = {part.partition(".")[0] for part in parts if part.startswith("L")}
    assert layers == {f"L{i}" for i in range(len(layers))}
    for layer in layers:
        transformer = {f"{layer}.attention", f"{layer}.MLP"}
        weights = {f"{layer}.mixer"} if architecture.startswith("mamba") else transformer
        assert weights <= parts.keys()
        for part in weights:
            assert any(dict(module.named_parameters())[n].dim() > 1 for n in parts[part])
    assert "embedding" in parts
