"""How a corpus is made from sources: one small record, checked when it is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from whence.core.errors import SourceError, TokenizerError

TEXT_SUFFIXES = (
    *(".txt", ".text", ".md", ".markdown", ".rst", ".org", ".tex"),
    *(".py", ".pyi", ".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".go", ".java", ".js", ".ts"),
    *(".jl", ".r", ".rb", ".lua", ".sh", ".sql", ".hs", ".ml", ".scala", ".swift", ".kt"),
)
"""Files of a folder that are taken when no suffix is named; each is one document."""

DEFAULT_VOCABULARY = 4096
SMALLEST_VOCABULARY = 257
"""256 bytes and one special token."""

STOP, SKIP = "stop", "skip"
"""What becomes of a build at a document that cannot be read."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How documents are found, cut and tokenised.

    Attributes:
        tokenizer: "bytes", or the path or name of a Hugging Face tokenizer; None trains a
            byte-level BPE on the sources.
        vocab_size: size of the vocabulary that is trained; 4,096 when neither it nor a
            tokenizer is given.
        text_field: the field of a JSONL, Parquet or data set row that holds the text.
        id_field: the field that holds the id; None takes "id" where a row has it, else
            `<source name>:<row number>`.
        suffixes: files of a folder that are taken, compared without regard to case.
        split: the split of a Hugging Face data set; None takes "train", or the only one.
        max_tokens: cut longer documents into pieces of at most this many tokens; None keeps
            documents whole.
        parse_special: read special tokens that a text spells out, such as a chat template's
            markers, as special tokens; otherwise they are ordinary text.
        unreadable: what becomes of a document that cannot be read (a file that is not UTF-8, a
            broken row): "stop" ends the build with its place; "skip" leaves it out, writes
            down its place, and goes on.

    Raises:
        TokenizerError: a tokenizer and a vocabulary size together, or too small a vocabulary.
        SourceError: an option that no source can satisfy.
    """

    tokenizer: str | None = None
    vocab_size: int | None = None
    text_field: str = "text"
    id_field: str | None = None
    suffixes: tuple[str, ...] = TEXT_SUFFIXES
    split: str | None = None
    max_tokens: int | None = None
    parse_special: bool = False
    unreadable: str = STOP

    def __post_init__(self) -> None:
        if self.tokenizer is not None and self.vocab_size is not None:
            raise TokenizerError(
                "vocab_size",
                expected="either a tokenizer or a vocabulary size to train one of",
                got=f"tokenizer {self.tokenizer!r} and vocabulary size {self.vocab_size}",
                fix="Leave one of them out.",
            )
        if self.vocab_size is not None and self.vocab_size < SMALLEST_VOCABULARY:
            raise TokenizerError(
                "vocab_size",
                expected=f"at least {SMALLEST_VOCABULARY} (256 bytes and one special token)",
                got=str(self.vocab_size),
                fix="Give a larger vocabulary, or --tokenizer bytes.",
            )
        if self.unreadable not in (STOP, SKIP):
            raise SourceError(
                "unreadable",
                expected=f'"{STOP}" or "{SKIP}"',
                got=repr(self.unreadable),
                fix="Choose whether a document that cannot be read stops the build.",
            )
        if self.max_tokens is not None and self.max_tokens < 8:
            raise SourceError(
                "max_tokens",
                expected="at least 8 tokens a document",
                got=str(self.max_tokens),
                fix="Give a larger number, or leave it out to keep documents whole.",
            )
        dotted = tuple(s.lower() if s.startswith(".") else f".{s.lower()}" for s in self.suffixes)
        object.__setattr__(self, "suffixes", dotted)
        if not self.suffixes or not self.text_field:
            raise SourceError(
                "suffixes" if self.text_field else "text_field",
                expected="at least one name",
                got="none",
                fix="Name one, or leave the option out.",
            )

    def to_json(self) -> dict[str, Any]:
        """The record of these settings."""
        record = {**asdict(self), "suffixes": list(self.suffixes)}
        if self.unreadable == STOP:
            # Not written, so that corpora from before there was a choice stay what they are.
            del record["unreadable"]
        return record
