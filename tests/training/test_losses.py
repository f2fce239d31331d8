from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.training.stand_in import TokenLists
from whence.training.architectures import sized_config
from whence.training.batch import document_batches, make_batch, weighed_batch
from whence.training.losses import batch_loss, token_losses
from whence.training.order import draw_order
from whence.training.pieces import pieces
from whence.training.recipe import Recipe

CORPUS = TokenLists(
    tuple(tuple(np.random.default_rng(n).integers(1, 80, 3 + n).tolist()) for n in range(16)),
    (0,),
    (99,),
)


@pytest.fixture(scope="module", params=["llama", "gpt2"])  # relative and absolute positions
def module(request):
    torch.manual_seed(0)
    config = sized_config(
        Recipe(architecture=request.param, context=12),
        CORPUS.vocabulary_size,
        {"pad_token_id": None},
    )
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()


@pytest.fixture(scope="module")
def batch():
    order = draw_order(pieces(CORPUS, 12), 12, 4, seed=0, steps=3, epochs=1.0, packed=True)
    return make_batch(CORPUS, order.of_step(2), packed=True)


def by_hand(module, tokens):
    """Surprise at each token after the first, the piece alone."""
    with torch.no_grad():
        logits = module(torch.tensor([tokens])).logits[0].log_softmax(-1)
    return [-float(logits[i, t]) for i, t in enumerate(tokens[1:])]


def test_packed_losses_are_those_of_each_piece_alone(module, batch):
    with torch.no_grad():
        found = token_losses(module, batch)
        for row in range(len(batch.ids)):
            for segment in range(int(batch.segments[row].max()) + 1):
                at = batch.segments[row] == segment
                expected = by_hand(module, batch.ids[row][at].tolist())
                assert found[row][at][:-1].tolist() == pytest.approx(expected, abs=1e-5)
                assert found[row][at][-1] == 0
    assert (found[batch.documents < 0] == 0).all()


def test_every_token_knows_its_document_and_place(batch):
    for row, column in zip(*np.nonzero(batch.documents.numpy() >= 0), strict=True):
        framed = CORPUS.framed(int(batch.documents[row, column]))
        assert framed[batch.framed[row, column]] == batch.ids[row, column]
        if batch.predicts[row, column]:
            assert framed[batch.framed[row, column] + 1] == batch.targets[row, column]


def test_a_weight_scales_one_document_and_no_other(module, batch):
    weights = torch.ones(CORPUS.n_documents)
    document = int(batch.documents[0, 0])
    with torch.no_grad():
        losses = token_losses(module, batch)
        whole = float(batch_loss(module, batch, weights))
        weights[document] = 0
        without = float(batch_loss(module, batch, weights))
    share = float(losses[batch.documents == document].sum()) / batch.predicted
    assert whole - without == pytest.approx(share, rel=1e-4)
    assert whole == pytest.approx(float(losses.sum()) / batch.predicted)


@pytest.mark.parametrize("packed", [True, False])
def test_document_batches_hold_each_token_once(module, packed):
    wanted = np.array([15, 2, 7])
    batches = list(document_batches(CORPUS, wanted, 12, rows=2, packed=packed))
    totals = np.zeros(CORPUS.n_documents)
    with torch.no_grad():
        for batch in batches:
            np.add.at(totals, batch.documents.numpy(), token_losses(module, batch).numpy())
    for document in wanted:
        framed = CORPUS.framed(document)
        parts = [framed[i : i + 12] for i in range(0, len(framed) - 1, 11)]
        expected = sum(sum(by_hand(module, part)) for part in parts)
        assert totals[document] == pytest.approx(expected, rel=1e-4)
    assert sum(b.predicted for b in batches) == sum(len(CORPUS.framed(d)) - 1 for d in wanted)


def gradients(module, batch, weights):
    loss = batch_loss(module, batch, weights)
    found = torch.autograd.grad(loss, list(module.parameters()), materialize_grads=True)
    return [loss.detach(), *found]


@pytest.mark.parametrize("packed", [True, False])
def test_documents_of_weight_zero_are_left_out_and_change_nothing(module, packed):
    order = draw_order(pieces(CORPUS, 12), 12, 4, seed=0, steps=3, epochs=1.0, packed=packed)
    entries = order.of_step(2)
    weights = torch.ones(CORPUS.n_documents).double()
    weights[entries.document[::2]] = 0
    weights[entries.document[1]] = 0.3
    weighs = (weights != 0).numpy()
    whole = make_batch(CORPUS, entries, packed=packed)
    short = weighed_batch(CORPUS, entries, weighs, 12, packed=packed)
    assert len(short.ids) < len(whole.ids)
    assert short.predicted == whole.predicted
    assert set(short.documents.unique().tolist()) - {-1} == set(
        entries.document[weighs[entries.document]].tolist()
    )
    module.double()
    for a, b in zip(
        gradients(module, whole, weights), gradients(module, short, weights), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)  # Llama's norms are in float32
    module.float()


def test_a_batch_stays_whole_where_no_row_is_saved(batch):
    order = draw_order(pieces(CORPUS, 12), 12, 4, seed=0, steps=3, epochs=1.0, packed=True)
    entries = order.of_step(2)
    for weighs in (np.ones(16, dtype=bool), np.zeros(16, dtype=bool)):
        found = weighed_batch(CORPUS, entries, weighs, 12, packed=True)
        assert torch.equal(found.ids, batch.ids)
        assert found.left_out == 0
