"""Who is responsible: scores from any method, all in one unit and one sign.

perturb         leave-one-out, written once for documents, components and tokens
regression      linear models of random subsets: datamodels, COAR, LIME; written once too
lasso           the sparse fit under them
shapley         Shapley values: exact, by permutations, by the kernel; once too
lookup          BM25, exact spans, random: baselines that never ask the model
tracin          documents: gradient similarity along the recorded run
row_gradients   the layer-by-layer inner products under it
through_run     documents: the derivative through the whole recorded run
memorization    what a document did to the model's grasp of that very document
patching        components: attribution patching
inputs          tokens: gradient x input, integrated gradients
"""

from whence.attribution.inputs import gradient_x_input, integrated_gradients
from whence.attribution.lookup import bm25, exact_spans, random_order
from whence.attribution.memorization import (
    NEVER,
    Detection,
    Effect,
    Memorization,
    OrderTest,
    Panel,
    Profile,
    auc,
    counterfactual,
    detect,
    detection_scores,
    memorization_profile,
    order_test,
    panel_of,
)
from whence.attribution.patching import attribution_patching
from whence.attribution.perturb import leave_one_out
from whence.attribution.regression import Fit, coar, datamodel, lime, subset_regression
from whence.attribution.row_gradients import RowGradients
from whence.attribution.shapley import exact_shapley, kernel_shapley, permutation_shapley
from whence.attribution.through_run import through_run
from whence.attribution.tracin import spread, tracin

__all__ = [
    "NEVER",
    "Detection",
    "Effect",
    "Fit",
    "Memorization",
    "OrderTest",
    "Panel",
    "Profile",
    "RowGradients",
    "attribution_patching",
    "auc",
    "bm25",
    "coar",
    "counterfactual",
    "datamodel",
    "detect",
    "detection_scores",
    "exact_shapley",
    "exact_spans",
    "gradient_x_input",
    "integrated_gradients",
    "kernel_shapley",
    "leave_one_out",
    "lime",
    "memorization_profile",
    "order_test",
    "panel_of",
    "permutation_shapley",
    "random_order",
    "spread",
    "subset_regression",
    "through_run",
    "tracin",
]
