"""Who is responsible: scores from any method, all in one unit and one sign.

perturb         leave-one-out, written once for documents, components and tokens
regression      linear models of random subsets: datamodels, COAR, LIME; written once too
lasso           the sparse fit under them
shapley         Shapley values: exact, by permutations, by the kernel; once too
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
from whence.attribution.regression import Fit, coar, datamodel, lime, subset_regression
from whence.attribution.row_gradients import RowGradients
from whence.attribution.shapley import exact_shapley, kernel_shapley, permutation_shapley
from whence.attribution.through_run import through_run
from whence.attribution.tracin import spread, tracin

__all__ = [
    "Fit",
    "RowGradients",
    "attribution_patching",
    "bm25",
    "coar",
    "datamodel",
    "exact_shapley",
    "exact_spans",
    "gradient_x_input",
    "integrated_gradients",
    "kernel_shapley",
    "leave_one_out",
    "lime",
    "permutation_shapley",
    "random_order",
    "spread",
    "subset_regression",
    "through_run",
    "tracin",
]
