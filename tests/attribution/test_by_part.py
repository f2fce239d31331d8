"""Parts, heads and documents out of one pass, held against each document's own gradient."""

import re

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.models.small import ARCHITECTURES, CONFIGS, EXPERTS
from whence.attribution.by_part import Splitter
from whence.corpus import BuildSettings, RawDocument, build_from_documents
from whence.models import head_parts, parameter_parts
from whence.training import document_batches, token_losses


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Two rows, three documents, two of them in one row."""
    texts = ["ada lives in paris", "bob likes cats", "the cats of rome are many and old"]
    place = tmp_path_factory.mktemp("parts") / "corpus"
    documents = [RawDocument(f"d{i}", text) for i, text in enumerate(texts)]
    corpus = build_from_documents(documents, place, BuildSettings(vocab_size=280))
    (found,) = document_batches(corpus, np.arange(3), 24, rows=2, packed=True)
    return found


def made(architecture):
    torch.manual_seed(0)
    config = CONFIGS[architecture]()
    module = AutoModelForCausalLM.from_config(config, attn_implementation="eager").double().eval()
    if architecture in EXPERTS:
        module.set_experts_implementation("eager")  # the default knows no float64
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def by_hand(module, parts, batch, through):
    found = torch.zeros(2, len(parts), 3, dtype=torch.float64)
    named = dict(module.named_parameters())
    for document in range(3):
        losses = token_losses(module, batch)
        share = losses[batch.documents == document].sum() / batch.predicted
        gradients = torch.autograd.grad(share, list(named.values()), materialize_grads=True)
        for (name, direction), gradient in zip(through.items(), gradients, strict=True):
            products = direction * gradient
            for number, pieces in enumerate(parts.values()):
                for piece in pieces:
                    if piece.name == name:
                        each = products
                        if piece.axis is not None:
                            length = piece.stop - piece.start
                            each = products.narrow(piece.axis + 1, piece.start, length)
                        found[:, number, document] += each.flatten(1).sum(1)
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pieces_are_the_slices_of_each_documents_gradient(architecture, batch):
    module = made(architecture)
    parts = head_parts(module)
    draw = torch.Generator().manual_seed(1)
    through = {
        name: torch.randn(2, *p.shape, generator=draw, dtype=torch.float64)
        for name, p in module.named_parameters()
    }
    splitter = Splitter(module, parts)
    found = splitter(module, batch, through)
    missing = set(splitter.missing)
    assert all(re.search(r"embed_positions|experts\.|mlp\.gate\.", name) for name in missing)
    assert bool(missing) == (architecture in EXPERTS or architecture.startswith("opt"))
    known = {k: tuple(p for p in pieces if p.name not in missing) for k, pieces in parts.items()}
    expected = by_hand(module, known, batch, through)
    # Some of their code casts to float32 inside, in the norms.
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert all(p.requires_grad for p in module.parameters())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_number_is_in_one_piece(architecture):
    module = made(architecture)
    seen = {name: torch.zeros_like(p) for name, p in module.named_parameters()}
    with torch.no_grad():
        for pieces in head_parts(module).values():
            for piece in pieces:
                if piece.axis is None:
                    seen[piece.name] += 1
                else:
                    length = piece.stop - piece.start
                    seen[piece.name].narrow(piece.axis, piece.start, length).add_(1)
    assert all(bool((count == 1).all()) for count in seen.values())


@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neox", "llama"])
def test_a_heads_pieces_are_what_that_head_uses(architecture, batch):
    """Zeroing a head's value and output slices leaves the same function as zeroing its input."""
    module = made(architecture)
    heads = [pieces for part, pieces in head_parts(module).items() if part.startswith("L0.H1")]
    out = [
        piece for piece in heads[0] if any(w in piece.name for w in ("c_proj", "dense", "o_proj"))
    ]
    (piece,) = out
    ids = batch.ids
    with torch.no_grad():
        module.get_parameter(piece.name).narrow(
            piece.axis, piece.start, piece.stop - piece.start
        ).zero_()
        without = module(input_ids=ids, use_cache=False).logits
        again = made(architecture)
        from whence.models import find_sites

        site = find_sites(again).layers[0]
        size = site.head_size

        def cut(layer, args):
            given = args[0].clone()
            given[..., size : 2 * size] = 0
            return (given,)

        handle = site.attention_out.register_forward_pre_hook(cut)
        torch.testing.assert_close(again(input_ids=ids, use_cache=False).logits, without)
        handle.remove()


def test_heads_add_up_to_their_attention():
    module = made("llama")
    whole, cut = parameter_parts(module), head_parts(module)
    for part, names in whole.items():
        inside = {p.name for k, ps in cut.items() for p in ps if p.name in names}
        assert inside == set(names), part
