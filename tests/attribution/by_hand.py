"""What the streamed computations give, written out for models small enough for it."""

import torch

from whence.attribution.influence.labels import draw, uniform
from whence.training import logits, token_losses


def names_of(model):
    return [name for name, _ in model.module.named_parameters()]


def parameters_of(model):
    return list(model.module.parameters())


def flat(vectors, names):
    return torch.cat([vectors[name].flatten(1) for name in names], dim=1)


def parted(matrix, model):
    """Rows of a matrix as vectors over parameters."""
    named = dict(model.module.named_parameters())
    parts = matrix.split([p.numel() for p in named.values()], dim=1)
    return {
        name: part.reshape(-1, *p.shape)
        for (name, p), part in zip(named.items(), parts, strict=True)
    }


def each_row(stream, model):
    """Batches of a single row."""
    from dataclasses import replace

    return replace(stream, rows=1).batches(model)


def gradient(loss, model):
    found = torch.autograd.grad(loss, parameters_of(model), materialize_grads=True)
    return torch.cat([g.flatten() for g in found])


def document_gradients(model, stream):
    """(document, parameter): gradient of the sum of each document's token losses."""
    size = sum(p.numel() for p in parameters_of(model))
    found = torch.zeros(stream.corpus.n_documents, size, dtype=torch.float64)
    for batch in each_row(stream, model):
        loss = token_losses(model.module, batch).sum()
        found[int(batch.documents[0, 0])] += gradient(loss, model)
    return found


def drawn_gradients(model, stream, seed):
    """(row, parameter): gradients of the rows' losses under drawn labels."""
    found = []
    for batch in each_row(stream, model):
        z = logits(model.module, batch)[batch.predicts]
        found.append(gradient(drawn_loss(z, batch, seed), model))
    return torch.stack(found)


def drawn_loss(z, batch, seed):
    """The loss under labels drawn for the predicted tokens of a row."""
    labels = draw(torch.softmax(z.detach(), -1), uniform(batch, seed, "labels"))
    return torch.nn.functional.cross_entropy(z, labels, reduction="sum")


def dense_gauss_newton(model, stream):
    """The matrix itself, from the derivative of every logit."""
    total, tokens = 0.0, 0
    for batch in each_row(stream, model):
        z = logits(model.module, batch)[batch.predicts]
        ones = torch.eye(z.numel(), dtype=z.dtype).view(-1, *z.shape)
        found = torch.autograd.grad(
            z, parameters_of(model), ones, is_grads_batched=True, materialize_grads=True
        )
        jacobian = torch.cat([g.flatten(1) for g in found], dim=1).view(*z.shape, -1)
        for shares, own in zip(torch.softmax(z, -1).detach(), jacobian, strict=True):
            mean = shares @ own
            total = total + (own * shares[:, None]).T @ own - torch.outer(mean, mean)
        tokens += len(z)
    return total / tokens
