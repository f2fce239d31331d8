"""Rooms import one way, and what each lends to the others is written down here."""

import importlib
import inspect

import pytest

from tests.house.source import modules, parse, rooms

LEVELS = {
    "core": 0,
    "corpus": 1,
    "models": 1,
    "worlds": 2,
    "training": 3,
    "interventions": 4,
    "attribution": 5,
    "verification": 5,
    "mechanisms": 5,
    "learning": 5,
    "reasoning": 5,
    "explain": 6,
    "studies": 7,
    "web": 8,
    "cli": 9,
    "__main__": 10,
}

PUBLIC = {
    "attribution": [
        "Detection",
        "Effect",
        "Fit",
        "InfluenceSettings",
        "Memorization",
        "NEVER",
        "OrderTest",
        "Panel",
        "Profile",
        "RowGradients",
        "Solving",
        "TrakSettings",
        "adam_scaling",
        "attribution_patching",
        "auc",
        "bm25",
        "coar",
        "counterfactual",
        "datamodel",
        "detect",
        "detection_scores",
        "ekfac",
        "embedding",
        "exact_shapley",
        "exact_spans",
        "gauss_newton",
        "gradient_similarity",
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
        "sentences",
        "source",
        "spread",
        "subset_regression",
        "through_run",
        "through_run_by_part",
        "through_run_by_token",
        "through_run_integrated",
        "tracin",
        "trak",
    ],
    "core": [
        "Behavior",
        "Cause",
        "Cost",
        "Coverage",
        "ESTIMANDS",
        "Estimand",
        "Finding",
        "KINDS",
        "Kind",
        "Scores",
        "Unit",
        "Verdict",
        "index_of",
        "read_behaviors",
        "read_bergson",
    ],
    "corpus": [
        "Branch",
        "BuildSettings",
        "Corpus",
        "Document",
        "Following",
        "Index",
        "IndexSettings",
        "LongestMatches",
        "Match",
        "Neighbors",
        "NgramModel",
        "Occurrence",
        "Perplexity",
        "Probabilities",
        "RawDocument",
        "Repeat",
        "Sample",
        "SpreadIndex",
        "Stretch",
        "TextIndex",
        "Trace",
        "TraceSettings",
        "bm25",
        "build_corpus",
        "build_from_documents",
        "build_index",
        "check",
        "continuations",
        "cosine",
        "exact_spans",
        "find_together",
        "fit_ngrams",
        "group_by",
        "infinigram_tokens",
        "near_duplicates",
        "nearest",
        "ngram_model",
        "open_corpus",
        "open_indexes",
        "open_infinigram",
        "open_ngrams",
        "perplexity",
        "ranked",
        "repair_index",
        "sample",
        "shared_spans",
        "spellings",
        "spread_index",
        "trace",
        "where",
        "with_word",
    ],
    "explain": [
        "DEFAULT_BUDGET",
        "Estimate",
        "Explanation",
        "JudgeSettings",
        "Judged",
        "Judgement",
        "METHODS",
        "Plan",
        "Slope",
        "document_scores",
        "explain",
        "explain_many",
        "judge_components",
        "judge_documents",
        "judge_tokens",
        "load_slopes",
        "save_slopes",
        "slope_from",
    ],
    "interventions": [
        "Bank",
        "Components",
        "Documents",
        "Intervention",
        "Sizes",
        "Tokens",
        "Watched",
        "by_layer",
        "check_keep",
        "document_causes",
        "document_text",
        "keep_without",
        "make_bank",
        "open_bank",
        "random_subsets",
    ],
    "models": [
        "BATCH_SIZE",
        "EncodedBehavior",
        "EncodedPrompt",
        "LayerSites",
        "Model",
        "Piece",
        "Row",
        "Score",
        "Sites",
        "answers_token_by_token",
        "batch_size_within",
        "check_causal",
        "check_tokenizer_fits",
        "digest_module",
        "encode",
        "encode_prompt",
        "find_sites",
        "greedy",
        "head_parts",
        "log_probabilities",
        "memory_needed",
        "open_model",
        "open_tokenizer",
        "parameter_parts",
        "plan",
        "rows_of",
        "run_rows",
        "sentence_embeddings",
        "sum_rows",
        "target_log_probabilities",
        "text_embeddings",
        "value_tensor",
        "values",
        "with_answer",
    ],
    "reasoning": [
        "Client",
        "Completion",
        "Journalled",
        "Limits",
        "Outcome",
        "Problem",
        "Program",
        "Recorded",
        "Sampling",
        "Sandbox",
        "open_client",
        "solve_problems",
    ],
    "studies": [
        "Demo",
        "Known",
        "Shown",
        "TaskSettings",
        "ask_facts",
        "demo",
        "demo_real",
        "fact_frequency",
        "frequency_page",
        "planted_recall",
        "profile_page",
        "read_known",
        "real_text",
        "shown_behaviors",
        "task_memorization",
    ],
    "training": [
        "Batch",
        "Checkpoint",
        "GRADIENT_MEMORY",
        "Likelihoods",
        "Order",
        "Pieces",
        "PublishedRun",
        "Recipe",
        "Recorder",
        "RecorderCallback",
        "Replay",
        "Run",
        "Split",
        "adam_state",
        "document_batches",
        "document_likelihoods",
        "logits",
        "open_olmo",
        "open_pythia",
        "open_run",
        "pieces",
        "record",
        "token_losses",
        "train",
        "weight_gradients",
    ],
    "verification": [
        "Agreement",
        "Claim",
        "FEWEST_CONTROLS",
        "FEWEST_SUBSETS",
        "Resampling",
        "Rise",
        "SHARES",
        "Trial",
        "VerifySettings",
        "agreement",
        "decide",
        "finding",
        "judge",
        "lead",
        "linear_datamodeling_score",
        "loss_rise",
        "predicted_sums",
        "prediction_interval",
        "prepare",
        "recall_at_planted",
        "set_claims",
        "shuffled",
        "single_claims",
        "verify",
    ],
    "worlds": [
        "Fact",
        "World",
        "people",
        "python_library",
    ],
}


def wrong_imports(module):
    level = LEVELS.get(module.room, -1)  # the root package stands below every room
    for line, name in module.imports():
        top, _, rest = name.partition(".")
        room = rest.split(".")[0]
        if top != "whence" or room in (module.room, "__version__"):
            continue
        if LEVELS.get(room, 99) >= level:
            yield f"{module.path.name}:{line} ({module.room or 'whence'}) imports {name}"


def test_rooms_import_down_only():
    assert [fault for module in modules() for fault in wrong_imports(module)] == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("core/a.py", "from whence.corpus import open_corpus"),
        ("corpus/a.py", "import whence.models"),
        ("models/a.py", "def f():\n    from whence.corpus import Corpus"),
        ("verification/a.py", "from whence import attribution"),
        ("models/a.py", "if TYPE_CHECKING:\n    from whence.training.run import Run"),
        ("models/a.py", "from ..training import Run"),
        ("models/deep/a.py", "from ...explain import explain"),
        ("models/__init__.py", "from ..cli import main"),
        ("core/a.py", "import importlib\nimportlib.import_module('whence.models')"),
        ("core/a.py", "import importlib\nimportlib.import_module(name)"),
        ("explain/a.py", "from whence.utils import flatten"),
        ("__init__.py", "from whence.core import Behavior"),
    ],
)
def test_an_import_that_goes_up_is_seen(path, text):
    assert list(wrong_imports(parse(text, path)))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("explain/a.py", "from whence.core import Behavior\nimport torch, whence.models"),
        ("explain/a.py", "from . import record\nfrom .report import html"),
        ("cli/a.py", "from whence import __version__"),
    ],
)
def test_an_import_that_goes_down_is_not_a_fault(path, text):
    assert not list(wrong_imports(parse(text, path)))


def test_every_room_has_a_level_and_a_list():
    assert set(rooms()) <= LEVELS.keys()
    assert set(rooms()) - {"cli"} == PUBLIC.keys()


@pytest.mark.parametrize("room", PUBLIC)
def test_a_room_lends_what_is_written_down(room):
    door = importlib.import_module(f"whence.{room}")
    assert sorted(door.__all__) == PUBLIC[room]
    assert len(set(door.__all__)) == len(door.__all__)


@pytest.mark.parametrize("room", PUBLIC)
def test_what_a_room_lends_exists_and_is_explained(room):
    door = importlib.import_module(f"whence.{room}")
    assert inspect.getdoc(door)
    for name in door.__all__:
        thing = getattr(door, name)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            own = thing.__doc__ or ""
            # A dataclass without a docstring gets its signature as one.
            assert own.strip(), f"{room}.{name} has no docstring"
            assert not own.startswith(f"{name}("), f"{room}.{name} has no docstring"
