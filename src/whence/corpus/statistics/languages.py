"""Which language a document is in, by the character n-grams at its beginning.

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
_CHARACTERS = 4000
_SURE = 0.5


def can_tell_languages() -> bool:
    """Whether the extra is installed."""
    return find_spec("py3langid") is not None


def language_teller() -> Callable[[str], str]:
    """A function from a text to the code of its language.

    The first 4,000 characters decide; a probability below one half is "und".

    Raises:
        MissingExtraError: py3langid is not installed.
    """
    identifier = _identifier()

    def tell(text: str) -> str:
        return str(identifier.classify(text[:_CHARACTERS])[0])

    return tell


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
