import subprocess
import sys

import pytest

from tests.models.small import small
from whence.core.errors import PlanError
from whence.models import BATCH_SIZE, batch_size_within, memory_needed

MEASURE = """
import re, sys, torch
from pathlib import Path
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig
from tests.models.small import byte_level
from whence.models import Row, Score, memory_needed, open_model, run_rows

torch.set_num_threads(1)
family, attention, rows, length, read = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
config = (
    GPT2Config(vocab_size=345, n_embd=128, n_layer=2, n_head=8, n_positions=1024)
    if family == "gpt2"
    else LlamaConfig(vocab_size=100_000, hidden_size=128, intermediate_size=512,
                     num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=1024)
)
model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
tokenizer = byte_level()
if family == "llama":  # a vocabulary this size needs no tokenizer here
    from whence.models import Model
    model = Model(model.eval(), tokenizer)
else:
    model = open_model(model, tokenizer=tokenizer)

def work(rows, length):
    scores = tuple(Score(length - 1 - i, 0, 1) for i in range(read))
    one = Row((1,) * length, tuple(range(length)), length, scores)
    run_rows(model, [one] * rows, batch_size=rows)
    # Not getrusage: its peak is inherited from the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) * 1024

read_, read = read, 1
before = work(1, 8)
read = read_
print((work(rows, length) - before) / memory_needed(model, rows, length, read))
"""


@pytest.mark.parametrize("case", ["gpt2 eager 32 512 1", "llama eager 32 128 16"])
def test_the_estimate_is_right_within_a_factor_of_two(case, request):
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *case.split()],
        capture_output=True,
        text=True,
        check=True,
        cwd=request.config.rootpath,
    )
    assert 0.5 < float(done.stdout) < 2.0


def test_a_batch_size_follows_from_a_budget():
    model = small()
    one = memory_needed(model, 1, 20)
    assert batch_size_within(model, 5 * one, 20) == 5
    assert batch_size_within(model, 10_000 * one, 20) == BATCH_SIZE
    with pytest.raises(PlanError, match="MiB for one sequence of 20 tokens"):
        batch_size_within(model, one - 1, 20)
