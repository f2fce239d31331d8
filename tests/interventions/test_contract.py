"""Every intervention that changes a forward pass passes the contract."""

import copy
import warnings
from functools import cache

import pytest

from tests.interventions.contract import (
    CHECKS,
    keeping_all_gives_the_own_values_to_the_last_bit,
    values_do_not_depend_on_the_batch,
)
from tests.models.small import ARCHITECTURES, TEXTS, small
from whence.core import Behavior
from whence.interventions import Components, Edges, Tokens, by_layer
from whence.models import Model, encode_prompt, open_model, values

PROMPT = "Ada Lovelace was born in"
BEHAVIORS = [
    Behavior(PROMPT, " London", " Paris"),
    Behavior(PROMPT, " the capital of"),
    Behavior(PROMPT, " London", " London too"),
]
OTHERS = [*BEHAVIORS, Behavior("Dogs", " fly 🙂\n")]


@cache
def _components(replacement, units=("head", "mlp"), name="gpt2", **more):
    texts = {"reference": TEXTS[:3]} if replacement in ("mean", "resample") else {}
    return Components(small(name), units=units, replacement=replacement, **texts, **more)


def _patching():
    same = {PROMPT: "Alan Lovelace was born in", "Dogs": "Alan"}
    model = small()
    return Components(
        model, units=("head", "mlp", "layer"), replacement="other", other_prompt=_equal(model, same)
    )


def _equal(model, pairs):
    """Cut or repeat the other prompt until it has as many tokens."""
    found = {}
    for prompt, other in pairs.items():
        n = len(encode_prompt(model, prompt).ids)
        found[prompt] = next(
            text
            for text in (other[:i] + "." * k for k in range(40) for i in range(1, len(other) + 1))
            if len(encode_prompt(model, text).ids) == n and text != prompt
        )
    return found


def _edges():
    return Edges(
        small(),
        senders=["embedding", "L0.H1", "L1.MLP"],
        replacement="resample",
        reference=TEXTS[:3],
        draws=2,
    )


def _grouped():
    singles = _components("zero").singles
    return Components(small(), replacement="zero", groups=by_layer(singles))


CASES = {
    "components zero": (lambda: _components("zero"), OTHERS),
    "components mean": (lambda: _components("mean"), OTHERS),
    "components small batches": (lambda: _components("mean", batch_size=3), OTHERS),
    "components other": (_patching, OTHERS),
    "components resample": (lambda: _components("resample", draws=3), OTHERS),
    "components resample nothing kept": (
        lambda: _components("resample", ("head", "layer"), draws=2, reuse=False),
        OTHERS,
    ),
    "edges resample": (_edges, OTHERS),
    "components layers": (lambda: _components("mean", ("layer",)), OTHERS),
    "components groups": (_grouped, OTHERS),
    "tokens drop": (lambda: Tokens(small(), PROMPT), BEHAVIORS),
    "tokens keep positions": (
        lambda: Tokens(small(), PROMPT, removal="drop-keep-positions"),
        BEHAVIORS,
    ),
    "tokens replace": (lambda: Tokens(small(), PROMPT, removal="replace"), BEHAVIORS),
    "tokens mask": (lambda: Tokens(small(), PROMPT, removal="mask"), BEHAVIORS),
    "tokens sample": (lambda: Tokens(small(), PROMPT, removal="sample", draws=2), BEHAVIORS),
    "words": (lambda: Tokens(small(), PROMPT, unit="word"), BEHAVIORS),
    "spans": (lambda: Tokens(small(), PROMPT, unit=[(0, 3), (4, 12), (10, 16)]), BEHAVIORS),
    "token groups": (
        lambda: Tokens(small(), PROMPT, groups={"name": ["T1", "T2"], "in": ["T9"]}),
        BEHAVIORS,
    ),
}
EVERYWHERE = [
    keeping_all_gives_the_own_values_to_the_last_bit,
    values_do_not_depend_on_the_batch,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("case", CASES)
def test_contract(case, check):
    make, behaviors = CASES[case]
    intervention = make()
    own = values(intervention.model, behaviors, batch_size=intervention.batch_size)
    check(intervention, behaviors, own)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("check", EVERYWHERE, ids=lambda f: f.__name__)
def test_contract_for_components_of_every_architecture(name, check):
    intervention = _components("mean", ("head", "mlp", "layer"), name)
    check(intervention, OTHERS, values(intervention.model, OTHERS))


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("check", EVERYWHERE, ids=lambda f: f.__name__)
def test_contract_for_tokens_of_every_architecture(name, check):
    intervention = Tokens(small(name), PROMPT, removal="drop-keep-positions")
    check(intervention, BEHAVIORS, values(intervention.model, BEHAVIORS))


@pytest.mark.parametrize("check", CHECKS, ids=lambda f: f.__name__)
def test_contract_in_half_precision(check):
    """Bits of keeping all are the own ones there, too; the rest is as coarse as the type."""
    if check is values_do_not_depend_on_the_batch or "order" in check.__name__:
        pytest.skip("bfloat16 rounds more coarsely than the contract allows")
    model = Model(copy.deepcopy(small("llama").module).bfloat16(), small().tokenizer)
    intervention = Components(
        model, units=("head", "mlp", "layer"), replacement="mean", reference=TEXTS[:3]
    )
    check(intervention, OTHERS, values(model, OTHERS))


@pytest.mark.parametrize("check", EVERYWHERE, ids=lambda f: f.__name__)
def test_contract_with_an_adapter(check):
    """A module wrapped by PEFT has the same parts, inside."""
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(target_modules=["c_attn", "c_proj"], init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = peft.get_peft_model(copy.deepcopy(small().module), config)
    model = open_model(module, tokenizer=small().tokenizer)
    intervention = Components(model, units=("head", "mlp", "layer"), replacement="zero")
    own = values(model, OTHERS)
    assert abs(own - values(small(), OTHERS)).min() > 1e-3
    check(intervention, OTHERS, own)
