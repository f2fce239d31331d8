"""Fit a model to a corpus and keep a journal from which it can be trained again.

recipe         what a person chooses
plan           the recipe with everything closed
pieces         documents as training sees them, cut where they are longer than a row
order          which piece is where in which step
batch          pieces as tensors; the mask that keeps them apart
isolation      the proof, before training, that they are apart
likelihoods    what a model says of every token of a document
losses         nats a predicted token, times document weights
optimizer      AdamW with epsilon inside the root; the learning rate
architectures  from a recipe to a Hugging Face module
memory         what a step takes at least; what happens without it
numerics       threads, deterministic kernels, attention kernel
loop           the steps
journal        one line a step
checkpoints    states that transformers opens
trainer        start or resume
run            open a recorded training
replay         a training with other document weights, opened
replays        making them
reverse        the derivative of a run by document weights
unfinished     what such a pass has found so far, on disk
stacked        several of them as one computation
many           making many: stacks, worker processes, Ray
recorder       the journal of somebody's own loop
callback       the same for the Hugging Face Trainer
adapters       checkpoints of LoRA and its kin
published      the order files of Pythia and OLMo
"""

from typing import TYPE_CHECKING, Any

from whence.training.batch import Batch, document_batches
from whence.training.checkpoints import Checkpoint, adam_state
from whence.training.likelihoods import Likelihoods, document_likelihoods
from whence.training.losses import logits, token_losses
from whence.training.order import Order
from whence.training.pieces import Pieces, pieces
from whence.training.published import PublishedRun, open_olmo, open_pythia
from whence.training.recipe import Recipe
from whence.training.recorder import Recorder, record
from whence.training.replay import Replay
from whence.training.reverse import GRADIENT_MEMORY, Split, weight_gradients
from whence.training.run import Run, open_run
from whence.training.trainer import train

if TYPE_CHECKING:
    from whence.training.callback import RecorderCallback

__all__ = [
    "GRADIENT_MEMORY",
    "Batch",
    "Checkpoint",
    "Likelihoods",
    "Order",
    "Pieces",
    "PublishedRun",
    "Recipe",
    "Recorder",
    "RecorderCallback",
    "Replay",
    "Run",
    "Split",
    "adam_state",
    "document_batches",
    "document_likelihoods",
    "logits",
    "open_olmo",
    "open_pythia",
    "open_run",
    "pieces",
    "record",
    "token_losses",
    "train",
    "weight_gradients",
]


def __getattr__(name: str) -> Any:
    """Load the Trainer's callback when it is asked for: it takes seconds, most need it never."""
    if name == "RecorderCallback":
        from whence.training.callback import RecorderCallback  # noqa: PLC0415

        return RecorderCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
