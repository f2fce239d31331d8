import subprocess
import sys

import numpy as np
import pytest

from tests.models.small import ARCHITECTURES, STATE_SPACE, small
from whence.attribution import edge_attribution, leave_one_out
from whence.core import Behavior
from whence.core.errors import PlanError
from whence.interventions import Components, Edges, sweep_within
from whence.models import BATCH_SIZE

PROMPT, OTHER = "Ada Lovelace was born in", "Ada Lovelace was born is"
BEHAVIORS = [
    Behavior(PROMPT, " London", " Paris"),
    Behavior(PROMPT, " London too"),
    Behavior("Birds do", " fly"),
]

MEASURE = """
import re, sys, torch
from pathlib import Path
from transformers import AutoModelForCausalLM, LlamaConfig
from tests.models.small import byte_level
from whence.attribution import edge_attribution
from whence.core import Behavior
from whence.interventions import Edges, sweep_within
from whence.models import Model

torch.set_num_threads(1)
config = LlamaConfig(vocab_size=352, hidden_size=256, intermediate_size=512, num_hidden_layers=4,
                     num_attention_heads=8, num_key_value_heads=4, max_position_embeddings=512)
model = Model(AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval(),
              byte_level())

def work(length, count):
    behaviors = [Behavior("A" + " A" * (length - 2), f" {c}") for c in "abcdefghij"[:count]]
    edges = Edges(model, replacement="zero", batch_size=count)
    edge_attribution(edges, behaviors)
    status = Path("/proc/self/status").read_text()
    used = int(re.search(r"VmHWM:\\\\s+(\\\\d+)", status)[1]) * 1024
    told = sweep_within(model, behaviors, 2**34, edges=True)
    return used, told.memory * count / told.batch_size

before, _ = work(4, 1)
after, told = work(150, 6)
print((after - before) / told)
"""


def test_the_estimate_for_gradients_of_edges_is_right_within_a_factor_of_two(request):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.replace("\\\\", "\\")],
        capture_output=True,
        text=True,
        check=True,
        cwd=request.config.rootpath,
    )
    assert 0.5 < float(done.stdout) < 2.0


def test_a_batch_follows_from_a_budget():
    model = small()
    usual = sweep_within(model, BEHAVIORS)
    assert usual.batch_size == BATCH_SIZE
    assert usual.reuse
    less = sweep_within(model, BEHAVIORS, usual.memory // 4)
    assert 1 <= less.batch_size < BATCH_SIZE
    assert less.memory <= usual.memory // 4
    assert sweep_within(model, BEHAVIORS, edges=True).memory > usual.memory
    with pytest.raises(PlanError, match=r"at least .* MiB for one row of 1\d tokens"):
        sweep_within(model, BEHAVIORS, 1000)


def test_streams_are_not_kept_where_they_would_take_more_than_half():
    model, many = small(), [Behavior(f"Number {i}", " one") for i in range(60)]
    needed = sweep_within(model, many)
    tight = sweep_within(model, many, 300_000)
    assert needed.reuse
    assert not tight.reuse


@pytest.mark.parametrize("name", [*ARCHITECTURES, *STATE_SPACE])
def test_results_do_not_depend_on_the_batch(name):
    units = ("layer", "stream") if name in STATE_SPACE else ("head", "mlp", "layer")
    found = [
        leave_one_out(
            Components(small(name), units=units, replacement="zero", batch_size=size), BEHAVIORS
        ).values
        for size in (1, 7, 32)
    ]
    np.testing.assert_allclose(found[0], found[2], atol=1e-5)
    np.testing.assert_allclose(found[1], found[2], atol=1e-5)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "opt-norm-after"])
def test_edges_do_not_depend_on_the_batch(name):
    found = []
    for size in (1, 7, 32):
        edges = Edges(
            small(name),
            senders=["embedding", "L0.H1", "L1.MLP"],
            replacement="other",
            other_prompt=OTHER,
            batch_size=size,
        )
        asked = BEHAVIORS[:2]
        exact, slopes = leave_one_out(edges, asked), edge_attribution(edges, asked)
        found.append(np.concatenate([exact.values, slopes.values]))
    np.testing.assert_allclose(found[0], found[2], atol=1e-5)
    np.testing.assert_allclose(found[1], found[2], atol=1e-5)
