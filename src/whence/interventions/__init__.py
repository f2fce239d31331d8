"""Take causes away and measure behaviors again: one interface for three kinds of cause.

interface     what every intervention offers
components    heads, MLPs and layers, by replacing activations
documents     training documents, by replaying a recorded run without them
tokens        the prompt's tokens, words and spans, by dropping or replacing them
groups        named groups of things that are taken away together
replacements  what stands in the place of a component
hooks         reading and replacing activations inside an unmodified module
"""

from whence.interventions.components import Components, Watched
from whence.interventions.documents import Documents, document_causes, document_text
from whence.interventions.groups import by_layer
from whence.interventions.interface import Intervention, check_keep, keep_without
from whence.interventions.tokens import Tokens

__all__ = [
    "Components",
    "Documents",
    "Intervention",
    "Tokens",
    "Watched",
    "by_layer",
    "check_keep",
    "document_causes",
    "document_text",
    "keep_without",
]
