"""Who is responsible: scores from any method, all in one unit and one sign.

perturb         leave-one-out, written once for documents, components and tokens
lookup          BM25, exact spans, random: baselines that never ask the model
tracin          documents: gradient similarity along the recorded run
row_gradients   the layer-by-layer inner products under it
through_run     documents: the derivative through the whole recorded run
patching        components: attribution patching
inputs          tokens: gradient x input, integrated gradients
"""

from whence.attribution.inputs import gradient_x_input, integrated_gradients
from whence.attribution.lookup import bm25, exact_spans, random_order
from whence.attribution.patching import attribution_patching
from whence.attribution.perturb import leave_one_out
from whence.attribution.row_gradients import RowGradients
from whence.attribution.through_run import through_run, through_run_by_part
from whence.attribution.tracin import spread, tracin

__all__ = [
    "RowGradients",
    "attribution_patching",
    "bm25",
    "exact_spans",
    "gradient_x_input",
    "integrated_gradients",
    "leave_one_out",
    "random_order",
    "spread",
    "through_run",
    "through_run_by_part",
    "tracin",
]
