"""Causal language models of Hugging Face transformers, opened: parts, values, answers.

opened        an opened model: its tokenizer fits, its digest
causal        tokens see only earlier ones
checkpoint    the files of a model, looked at and loaded
sites         where blocks, heads and MLPs are
streams       what they read from the residual stream and write to it
parts         parameters by the part they belong to
encoding      a behavior as tokens
rows          sequences scored in batches: the one path of every value
past          keys and values that a pass goes on from
tree          many rows that begin alike
scoring       values of behaviors, plain or with a graph
memory        how much a forward pass takes
embeddings    texts as vectors: the model's own states
generation    the model's own answer
"""

from whence.models.causal import check_causal
from whence.models.embeddings import text_embeddings
from whence.models.encoders import sentence_embeddings
from whence.models.encoding import EncodedBehavior, EncodedPrompt, encode, encode_prompt
from whence.models.generation import answers_token_by_token, greedy, with_answer
from whence.models.memory import batch_size_within, memory_needed
from whence.models.opened import (
    Model,
    check_tokenizer_fits,
    digest_module,
    open_model,
    open_tokenizer,
)
from whence.models.parts import Piece, head_parts, parameter_parts
from whence.models.past import keys_and_values, past_of
from whence.models.rows import (
    BATCH_SIZE,
    Row,
    Score,
    distributions,
    log_probabilities,
    plan,
    rows_of,
    run_rows,
)
from whence.models.scoring import sum_rows, target_log_probabilities, value_tensor, values
from whence.models.sites import LayerSites, Sites, find_sites
from whence.models.streams import LayerStreams, Projection, as_matrix, find_streams
from whence.models.tree import run_alike

__all__ = [
    "BATCH_SIZE",
    "EncodedBehavior",
    "EncodedPrompt",
    "LayerSites",
    "LayerStreams",
    "Model",
    "Piece",
    "Projection",
    "Row",
    "Score",
    "Sites",
    "answers_token_by_token",
    "as_matrix",
    "batch_size_within",
    "check_causal",
    "check_tokenizer_fits",
    "digest_module",
    "distributions",
    "encode",
    "encode_prompt",
    "find_sites",
    "find_streams",
    "greedy",
    "head_parts",
    "keys_and_values",
    "log_probabilities",
    "memory_needed",
    "open_model",
    "open_tokenizer",
    "parameter_parts",
    "past_of",
    "plan",
    "rows_of",
    "run_alike",
    "run_rows",
    "sentence_embeddings",
    "sum_rows",
    "target_log_probabilities",
    "text_embeddings",
    "value_tensor",
    "values",
    "with_answer",
]
