import numpy as np

from whence.attribution import bm25, embedding, exact_spans, random_order
from whence.core import Behavior
from whence.corpus import BuildSettings, RawDocument, build_from_documents
from whence.interventions import document_causes

TEXTS = [
    "the cat sat on the mat",
    "a dog barked all night",
    "the cat was born in Paris",
    "born in Rome was the dog",
]
BEHAVIORS = [Behavior("the cat was born in", " Paris"), Behavior("a dog barked", " all")]


def _corpus(folder):
    documents = [RawDocument(f"d{i}", text, {}) for i, text in enumerate(TEXTS)]
    return build_from_documents(documents, folder / "c", BuildSettings(tokenizer="bytes"))


def test_look_ups_find_the_document_that_says_it_and_only_rank(tmp_path):
    corpus = _corpus(tmp_path)
    for method in (bm25, exact_spans):
        scores = method(corpus, BEHAVIORS, document_causes(corpus))
        assert [int(scores.top(b, 1)[0]) for b in range(2)] == [2, 1]
        assert scores.unit == "rank"


def test_exact_spans_count_the_longest_common_stretch(tmp_path):
    corpus = _corpus(tmp_path)
    scores = exact_spans(corpus, BEHAVIORS[:1], document_causes(corpus))
    assert scores.values[0, 2] == len(TEXTS[2])  # bytes as tokens
    assert scores.values[0, 3] == len("born in ")


def test_a_group_gets_its_best_document(tmp_path):
    corpus = _corpus(tmp_path)
    single = bm25(corpus, BEHAVIORS, document_causes(corpus)).values
    groups = document_causes(corpus, {"cats": ["d0", "d2"], "dogs": ["d1", "d3"]})
    grouped = bm25(corpus, BEHAVIORS, groups).values
    expected = np.stack([single[:, [0, 2]].max(1), single[:, [1, 3]].max(1)], axis=1)
    np.testing.assert_array_equal(grouped, expected)


def test_random_order_depends_on_its_seed_alone(tmp_path):
    causes = document_causes(_corpus(tmp_path))
    first, again, other = (random_order(BEHAVIORS, causes, seed).values for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_embeddings_rank_by_the_model_s_own_states(demo_run, demo_world):
    corpus, model = demo_run.corpus(), demo_run.model()
    # A document as a question is nearest to itself.
    asked = [Behavior(corpus.text(i)[:-4], corpus.text(i)[-4:]) for i in (3, 17)]
    scores = embedding(model, corpus, asked, document_causes(corpus))
    assert [int(scores.top(b, 1)[0]) for b in range(2)] == [3, 17]
    assert (scores.unit, scores.method) == ("rank", "embedding")
    assert scores.cost.forwards == corpus.n_documents + 2
    np.testing.assert_allclose(scores.values[:, [3, 17]].diagonal(), 1, atol=1e-5)
