"""Which language a document is in, by the character n-grams of three pieces of it.

The classifier is py3langid's (139 languages, ISO 639 codes), an extra of 4.6 MB. "zxx" is no
language: numbers, markup, identifiers. "und" says that the classifier is not sure.

Reference: Lui and Baldwin, "langid.py: An Off-the-shelf Language Identification Tool", ACL 2012.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from whence.core.errors import MissingExtraError
from whence.core.records import full_disk_is_an_error

UNSURE = "und"
PIECES, CHARACTERS = 3, 300
"""How many stretches of a long document are looked at, and how long each is."""
_SURE = 0.5


def can_tell_languages() -> bool:
    """Whether the extra is installed."""
    return find_spec("py3langid") is not None


def language_teller() -> Callable[[str], str]:
    """A function from a text to the code of its language.

    A long text is sampled: 300 characters each of its beginning, middle and end decide. A
    probability below one half is "und".

    Raises:
        MissingExtraError: py3langid is not installed.
    """
    identifier = _identifier()

    def tell(text: str) -> str:
        return str(identifier.classify(sample(text))[0])

    return tell


def sample(text: str) -> str:
    """Pieces of a long text, evenly spread; a short one as it is."""
    room = len(text) - CHARACTERS
    if room <= (PIECES - 1) * CHARACTERS:
        return text
    starts = (room * k // (PIECES - 1) for k in range(PIECES))
    return "\n".join(text[start : start + CHARACTERS] for start in starts)


@cache
def _identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError(
            "telling languages", package="py3langid", extra="language"
        ) from None
    # It unpacks its model into a temporary file.
    with full_disk_is_an_error(Path(gettempdir())):
        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=_SURE)
