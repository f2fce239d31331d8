"""Tokenizers: trained here, bytes, or any of Hugging Face; saved with the corpus.

A corpus holds each document's own tokens and nothing around them. What a tokenizer puts
around a text by itself (a beginning-of-sequence token, say) is found by encoding and kept
as `start_tokens` and `end_tokens`, so that training can show documents the way prompts
will later look. Our own tokenizers begin every text with `<|endoftext|>` and end every
document with it.

Encoding goes through the `tokenizers` library alone. Hugging Face transformers is loaded
only to open a foreign tokenizer, since it alone knows how its users will see it.

Reference: byte-level BPE as in Radford et al., "Language models are unsupervised multitask
learners" (2019), section 2.2.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt32
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from whence.core.errors import DamagedError, TokenizerError
from whence.core.records import MANIFEST, building, digest, digest_file, read_json, write_json

END_OF_TEXT = "<|endoftext|>"
BYTES = "bytes"
AROUND = "whence.json"
_FILES = ("*token*", "vocab*", "merges*", "*.model")
_SAMPLE = "Ada Lovelace  was born in 1815.\n\tnaïve 漢字 😀 x_1 = f(y)\n"


@dataclass(frozen=True, slots=True)
class SavedTokenizer:
    """A tokenizer as a corpus keeps it.

    Attributes:
        path: the folder, which `AutoTokenizer.from_pretrained` opens.
        digest: of its `tokenizer.json`.
        vocabulary_size: the largest id, plus one.
        start_tokens: what it puts before a text.
        end_tokens: what belongs after a document.
    """

    path: Path
    digest: str
    vocabulary_size: int
    start_tokens: tuple[int, ...]
    end_tokens: tuple[int, ...]


def bytes_tokenizer() -> Tokenizer:
    """One token a byte: token id = byte value, and 256 for the end of a text."""
    alphabet = _byte_letters()
    vocabulary = {letter: byte for byte, letter in enumerate(alphabet)}
    return _finish(Tokenizer(models.BPE(vocab={**vocabulary, END_OF_TEXT: 256}, merges=[])))


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train a byte-level BPE; no text is ever unknown to it.

    Args:
        texts: read once, in order.
        vocab_size: at most this many tokens; fewer when the texts are few.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _finish(tokenizer)


def save_tokenizer(source: str | Tokenizer, folder: Path) -> SavedTokenizer:
    """Write a tokenizer's folder, whole or not at all.

    Args:
        source: one of our own, or the path or name of a foreign one.
        folder: where; must not exist.

    Raises:
        TokenizerError: it cannot be opened, or is not of the fast kind that knows the place of
            each token in the text.
    """
    with building(folder) as temporary:
        if isinstance(source, Tokenizer):
            _save_own(source, temporary)
        elif (Path(source) / AROUND).is_file():
            # Of another corpus: all that transformers would tell is known already.
            shutil.copytree(
                source, temporary, ignore=shutil.ignore_patterns(MANIFEST), dirs_exist_ok=True
            )
        else:
            _save_foreign(source, temporary)
    return saved_tokenizer(folder)


def saved_tokenizer(folder: Path) -> SavedTokenizer:
    """Read what `save_tokenizer` wrote."""
    around = read_json(folder / AROUND)
    return SavedTokenizer(
        path=folder,
        digest=digest_file(folder / "tokenizer.json"),
        vocabulary_size=around["vocabulary_size"],
        start_tokens=tuple(around["start_tokens"]),
        end_tokens=tuple(around["end_tokens"]),
    )


def tokenizer_identity(source: str | None) -> str | None:
    """A digest of a tokenizer's files, None when it is not on disk."""
    path = Path(source or "")
    if source is None or not path.exists():
        return None
    files = [path] if path.is_file() else sorted(f for p in _FILES for f in path.glob(p))
    return digest([[file.name, digest_file(file)] for file in files if file.is_file()])


def open_tokenizer(folder: Path, *, parse_special: bool = False) -> Tokenizer:
    """The tokenizer as documents are encoded with it.

    Padding and truncation are off, and so is the last stage that adds special tokens and, in
    some tokenizers, takes blanks out of the spans.

    Raises:
        DamagedError: its file was altered.
    """
    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise DamagedError(
            str(path),
            expected="a tokenizer of the tokenizers library",
            got=(str(error).strip() or type(error).__name__).splitlines()[0],
            fix="The file was altered: make the corpus again.",
        ) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.post_processor = None
    tokenizer.encode_special_tokens = not parse_special
    return tokenizer


def encode_batch(tokenizer: Tokenizer, texts: Sequence[str]) -> list[UInt32[np.ndarray, " _"]]:
    """Token ids of each text, without special tokens around them."""
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    return [np.array(encoding.ids, np.uint32) for encoding in encodings]


def _byte_letters() -> list[str]:
    # The printable stand-in of every byte value in the library's byte-level stage: printable
    # Latin-1 stands for itself, the rest are numbered upwards from U+0100.
    own = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (chr(0x100 + i) for i in range(256))
    return [chr(byte) if byte in own else next(others) for byte in range(256)]


def _finish(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.add_special_tokens([END_OF_TEXT])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    end = tokenizer.token_to_id(END_OF_TEXT)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END_OF_TEXT} $A",
        pair=f"{END_OF_TEXT} $A {END_OF_TEXT} $B:1",
        special_tokens=[(END_OF_TEXT, end)],
    )
    return tokenizer


def _save_own(tokenizer: Tokenizer, folder: Path) -> None:
    end = int(tokenizer.token_to_id(END_OF_TEXT) or 0)
    # Written here rather than by the library, whose errors do not say that a disk is full.
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END_OF_TEXT,
            "eos_token": END_OF_TEXT,
            "pad_token": END_OF_TEXT,
            "clean_up_tokenization_spaces": False,
        },
    )
    _save_around(folder, _vocabulary_size(tokenizer), (end,), (end,))


def _save_foreign(source: str, folder: Path) -> None:
    opened = _open_foreign(source)
    opened.save_pretrained(folder)
    if not (folder / "tokenizer.json").is_file():
        raise TokenizerError(
            source,
            expected="a fast tokenizer (one with a tokenizer.json)",
            got=type(opened).__name__,
            fix="Convert it with Hugging Face transformers, or choose another.",
        )
    start, end = _around(opened)
    tokenizer = open_tokenizer(folder)
    if tokenizer.encode(_SAMPLE).ids != opened.encode(_SAMPLE, add_special_tokens=False):
        raise TokenizerError(
            source,
            expected="the same tokens after saving and opening again",
            got="others",
            fix="Save it with your version of transformers first, then name that folder.",
        )
    _save_around(folder, max(_vocabulary_size(tokenizer), len(opened)), start, end)


def _open_foreign(source: str) -> Any:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast  # noqa: PLC0415

    path = Path(source)
    try:
        if path.is_file() and path.suffix == ".json":
            kind: Any = PreTrainedTokenizerFast
            return kind(tokenizer_file=str(path))
        return AutoTokenizer.from_pretrained(source)
    except Exception as error:
        # The library has no error class of its own: a missing name is an OSError, a broken
        # file anything from KeyError to a bare Exception out of its Rust part.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise TokenizerError(
            source,
            expected='"bytes", a tokenizer folder or tokenizer.json, or a Hugging Face name',
            got=f"{type(error).__name__}: {reason[0]}",
            fix="Check the path or the name; names need network access once.",
        ) from error


def _around(opened: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What it puts before and after a text; its end-of-sequence token when it puts nothing."""
    bare = opened.encode(_SAMPLE, add_special_tokens=False)
    full = opened.encode(_SAMPLE, add_special_tokens=True)
    extra = len(full) - len(bare)
    start = next((k for k in range(extra + 1) if full[k : k + len(bare)] == bare), 0)
    end = tuple(full[start + len(bare) :])
    if not end and opened.eos_token_id is not None:
        end = (int(opened.eos_token_id),)
    return tuple(full[:start]), end


def _save_around(
    folder: Path, vocabulary_size: int, start: tuple[int, ...], end: tuple[int, ...]
) -> None:
    write_json(
        folder / AROUND,
        {"vocabulary_size": vocabulary_size, "start_tokens": start, "end_tokens": end},
    )


def _vocabulary_size(tokenizer: Tokenizer) -> int:
    # Ids may have gaps, so that counting tokens would be too few rows.
    return 1 + max(tokenizer.get_vocab(with_added_tokens=True).values())
