"""Take causes away and measure behaviors again: one interface for three kinds of cause.

interface     what every intervention offers
components    heads, MLPs and layers, by replacing activations
edges         what goes from one component to another, by replacing it on its way
documents     training documents, by replaying a recorded run without them
tokens        the prompt's tokens, by dropping, hiding or replacing them
units         what a prompt is cut into: words, sentences, turns, ...
drawing       tokens drawn from a language model into the gaps
bank          a run trained again on many random subsets, kept
divergence    how far the whole prediction moves, in place of one behavior's value
subsets       drawing random subsets
groups        named groups of things that are taken away together
swaps         another prompt by swapping words for matched ones
instead       what is asked to stand in the place of a component, and its texts
replacements  activations that stand there: means, and those of other prompts
watched       a value with its graph, beside what components could lose
resuming      passes that begin at the first layer that changes
memory        how much a sweep takes, and the batch that keeps within a budget
beginnings    the same for passes with cut edges
positions     tokens of a prompt by number
hooks         reading and replacing activations inside an unmodified module
graph         senders and receivers of the residual stream
wiring        hooks on every writing to it and every reading
listeners     what listens there: one that notes, one that cuts
slopes        how fast values change with what goes along every edge
"""

from whence.interventions.bank import Bank, make_bank, open_bank
from whence.interventions.components import Components
from whence.interventions.divergence import Divergence
from whence.interventions.documents import Documents, document_causes, document_text
from whence.interventions.edges import Edges
from whence.interventions.graph import EdgeGraph
from whence.interventions.groups import by_layer
from whence.interventions.instead import DRAWS, Instead
from whence.interventions.interface import Drawing, Intervention, check_keep, keep_without
from whence.interventions.listeners import direct_parts
from whence.interventions.memory import Sweep, sweep_within
from whence.interventions.subsets import Sizes, random_subsets
from whence.interventions.swaps import drawn_swap, other_prompts, swapped
from whence.interventions.tokens import Tokens, neutral_token
from whence.interventions.units import token_numbers
from whence.interventions.watched import Watched

__all__ = [
    "DRAWS",
    "Bank",
    "Components",
    "Divergence",
    "Documents",
    "Drawing",
    "EdgeGraph",
    "Edges",
    "Instead",
    "Intervention",
    "Sizes",
    "Sweep",
    "Tokens",
    "Watched",
    "by_layer",
    "check_keep",
    "direct_parts",
    "document_causes",
    "document_text",
    "drawn_swap",
    "keep_without",
    "make_bank",
    "neutral_token",
    "open_bank",
    "other_prompts",
    "random_subsets",
    "swapped",
    "sweep_within",
    "token_numbers",
]
