"""A tokenizer of whole words, in which a text and its tokens are the same thing said twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

START = "<s>"


def word_tokenizer(words: Sequence[str], unknown: str | None = None) -> PreTrainedTokenizerFast:
    """A tokenizer with a start token, number 0, and the words from 1 on.

    Args:
        words: without blanks in them.
        unknown: the one of them that stands for what is not known.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: PLC0415
    from tokenizers.processors import TemplateProcessing  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    numbers = {START: 0, **{f"▁{word}": i + 1 for i, word in enumerate(words)}}
    inner = Tokenizer(models.WordLevel(numbers))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    inner.decoder = decoders.Metaspace(prepend_scheme="always")
    inner.add_special_tokens([START])
    inner.post_processor = TemplateProcessing(single=f"{START} $A", special_tokens=[(START, 0)])
    special = {} if unknown is None else {"unk_token": f"▁{unknown}"}
    fast: PreTrainedTokenizerFast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=inner, bos_token=START, eos_token=START, **special
    )
    return fast
