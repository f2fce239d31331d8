"""Statistics against counting by hand: collections.Counter, numpy, scipy, brute force."""

import itertools
import json
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats as distributions

from tests.corpus.samples import TEXTS, documents
from whence.corpus import BuildSettings, Corpus, RawDocument, build_from_documents
from whence.corpus.lookup import words
from whence.corpus.sketches import Sketcher, candidates
from whence.corpus.statistics import (
    DescribeSettings,
    describe,
    find_duplicates,
    find_repeats,
    fit_heaps,
    fit_zipf,
    measure,
    ngrams,
    personal,
    runs,
    statistics_page,
    top_ngrams,
    windows,
)
from whence.corpus.statistics.characters import CLASSES, count_characters
from whence.corpus.statistics.duplicates import clusters
from whence.corpus.statistics.personal import PERSONAL, find_personal, luhn, mask

MANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FEW_LETTERS = st.lists(st.text("ab c", min_size=1).filter(str.strip), min_size=1, max_size=6)


def build(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("c") / "c"
    return build_from_documents(documents(texts), folder, BuildSettings(tokenizer="bytes"))


def in_memory(texts):
    """A corpus of bytes with nothing on disk, for what looks at tokens alone."""
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)])
    return Corpus(
        path=Path("nowhere"),
        record={"vocabulary_size": 257},
        tokens=np.frombuffer(b"".join(encoded), np.uint8).astype(np.uint16),
        offsets=offsets,
        text_offsets=offsets,
        table=pa.table({"id": [f"d{i}" for i in range(len(texts))]}),
    )


def tokens_of(corpus):
    bounds = itertools.pairwise(corpus.offsets.tolist())
    return [corpus.tokens[a:b].tolist() for a, b in bounds]


def pieces(tokens, n):
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


@pytest.fixture
def small_blocks(monkeypatch):
    """Everything that is done a block at a time, in blocks of a few tokens."""
    monkeypatch.setattr(windows, "_BLOCK", 7)
    monkeypatch.setattr(ngrams, "_BLOCK", 3)
    monkeypatch.setattr(runs, "_AT_ONCE", 9)


@pytest.fixture(params=[64, 3])
def numbers(request, monkeypatch):
    """The numbers of runs as they are, and so poor that most runs share theirs with others."""
    whole = windows.window_numbers
    poor = lambda tokens, n: whole(tokens, n) & np.uint64((1 << request.param) - 1)  # noqa: E731
    monkeypatch.setattr(windows, "window_numbers", poor)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 13, 64])
def test_a_window_number_is_the_polynomial_of_its_tokens(n):
    tokens = np.random.default_rng(n).integers(0, 1000, 200).astype(np.uint16)
    base, whole = windows._BASE, (1 << 64) - 1
    expected = []
    for run in pieces(tokens.tolist(), n):
        value = 0
        for token in run:
            value = (value * base + token + 1) & whole
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            value = ((value ^ (value >> shift)) * factor) & whole
        expected.append(value ^ (value >> 31))
    assert windows.window_numbers(tokens, n).tolist() == expected


@MANY
@given(texts=FEW_LETTERS, n=st.integers(1, 5), limit=st.integers(1, 8))
def test_top_ngrams_are_those_of_a_counter(texts, n, limit, small_blocks, numbers):
    corpus = in_memory(texts)
    counted = Counter(run for tokens in tokens_of(corpus) for run in pieces(tokens, n))
    expected = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]
    assert [(g.tokens, g.count) for g in top_ngrams(corpus, n, limit)] == expected


@settings(MANY, max_examples=20)
@given(texts=FEW_LETTERS, n=st.integers(2, 5), limit=st.integers(1, 8))
def test_top_ngrams_of_an_index_are_the_same(tmp_path_factory, texts, n, limit):
    corpus = build(tmp_path_factory, texts)
    counted = top_ngrams(corpus, n, limit)
    corpus.index()
    assert ngrams._searched(corpus.index(), n, limit) == counted
    assert top_ngrams(corpus, n, limit) == counted


def test_a_search_that_takes_too_long_is_given_up(tmp_path_factory, monkeypatch):
    corpus = build(tmp_path_factory, ["abcabcabd", "abce"])
    corpus.index()
    monkeypatch.setattr(ngrams, "_STEPS", 2)
    assert ngrams._searched(corpus.index(), 3, 2) is None
    assert [(bytes(g.tokens), g.count) for g in top_ngrams(corpus, 3, 2)] == [
        (b"abc", 3),
        (b"bca", 2),
    ]


@MANY
@given(texts=FEW_LETTERS, length=st.integers(1, 6))
def test_repeats_are_those_of_brute_force(texts, length, small_blocks, numbers):
    corpus = in_memory(texts)
    places = {}
    for d, tokens in enumerate(tokens_of(corpus)):
        for i, run in enumerate(pieces(tokens, length)):
            places.setdefault(run, []).append((d, i))
    repeated = [set() for _ in texts]
    copied = [set() for _ in texts]
    for found in places.values():
        for k, (d, i) in enumerate(found):
            if len(found) > 1:
                repeated[d].update(range(i, i + length))
            if k:
                copied[d].update(range(i, i + length))
    result = find_repeats(corpus, length)
    assert result.repeated.tolist() == list(map(len, repeated))
    assert result.copied.tolist() == list(map(len, copied))
    for copy in result.longest:
        mine, other = (
            tokens_of(corpus)[d][o : o + copy.tokens]
            for d, o in ((copy.document, copy.offset), (copy.original, copy.original_offset))
        )
        assert mine == other
        assert len(mine) == copy.tokens >= length


def test_the_longest_copy_is_found_whole(tmp_path_factory):
    long = "the quick brown fox jumps over the lazy dog"
    corpus = build(tmp_path_factory, [f"one {long} two", f"three {long} four", "nothing here"])
    (copy,) = find_repeats(corpus, 30, 1).longest
    start = copy.offset
    assert corpus.text(1)[start : start + copy.tokens] == f"e {long} "
    assert (copy.document, copy.original) == (1, 0)


def test_the_longest_copies_are_those_of_the_index(tmp_path_factory):
    random = np.random.default_rng(2)
    texts = ["".join(random.choice(list("ab "), 60)) + "c" for _ in range(12)]
    texts += [texts[3][5:40] + "d", "e" + texts[7][20:]]
    corpus = build(tmp_path_factory, texts)
    (longest,) = corpus.index().repeats(8, 1)
    copies = find_repeats(corpus, 8, 5).longest
    assert copies[0].tokens == longest.length
    assert [c.tokens for c in copies] == sorted((c.tokens for c in copies), reverse=True)


@MANY
@given(text=st.text(max_size=80))
def test_characters_are_those_of_unicodedata(text):
    names = {"L": 0, "M": 1, "N": 2, "P": 3, "S": 4, "Z": 5, "C": 6}
    counted = Counter(5 if c.isspace() else names[unicodedata.category(c)[0]] for c in text)
    expected = [counted[k] for k in range(len(CLASSES))]
    if not any("\ud800" <= c <= "\udfff" for c in text):
        assert count_characters(text).tolist() == expected


def test_heaps_law_is_fitted_as_numpy_fits_it():
    read = [10, 100, 1000, 5000, 20_000]
    kinds = [9, 60, 330, 1100, 2700]
    growth = fit_heaps(read, kinds)
    slope, intercept = np.polyfit(np.log(read[1:]), np.log(kinds[1:]), 1)
    assert growth.b == pytest.approx(slope)
    assert growth.k == pytest.approx(np.exp(intercept))
    exact = fit_heaps([100, 10_000, 1_000_000], [30, 300, 3000])  # 3 n^(1/2)
    assert (exact.k, exact.b) == pytest.approx((3, 0.5))
    assert fit_heaps([10, 200], [9, 90]).b is None


@pytest.mark.parametrize(("exponent", "x_min"), [(1.8, 1), (2.5, 1), (2.1, 4)])
def test_zipfs_law_is_found_again(exponent, x_min):
    """Drawn from the law itself, 6,000 kinds: within four standard errors."""
    drawn = distributions.zipf(exponent).rvs(40_000, random_state=7)
    drawn = np.minimum(drawn[drawn >= x_min][:6000], 1 << 40)
    tail = fit_zipf(drawn, x_min)
    assert abs(tail.exponent - exponent) < 4 * tail.error
    assert tail.error == pytest.approx((tail.exponent - 1) / np.sqrt(len(drawn)))
    assert (tail.x_min, tail.kinds) == (x_min, len(drawn))
    assert tail.zipf == pytest.approx(1 / (tail.exponent - 1))
    assert tail.distance < 0.03


def test_the_fit_is_the_maximum_of_the_likelihood_and_its_distance_that_of_scipy():
    drawn = distributions.zipf(2.2).rvs(500, random_state=1)
    tail = fit_zipf(drawn, 1)
    grid = np.linspace(1.9, 2.5, 601)
    likelihood = [distributions.zipf(a).logpmf(drawn).sum() for a in grid]
    assert tail.exponent == pytest.approx(grid[int(np.argmax(likelihood))], abs=1e-3)
    values = np.unique(drawn)
    seen = np.array([(drawn <= v).mean() for v in values])
    law = distributions.zipf(tail.exponent).cdf(values)
    assert tail.distance == pytest.approx(np.abs(seen - law).max(), abs=1e-6)


def test_the_start_of_the_tail_is_found():
    """Below 20 the frequencies are even, above they follow a law: the fit starts there."""
    random = np.random.default_rng(3)
    body = random.integers(1, 20, 3000)
    law = distributions.zipf(2.0).rvs(400_000, random_state=3)
    tail = fit_zipf(np.concatenate([body, law[law >= 20][:4000]]))
    assert 18 <= tail.x_min <= 26
    assert tail.exponent == pytest.approx(2.0, abs=0.15)
    assert fit_zipf(np.array([1, 2, 3])) is None


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("email", "write to ada.l+x@mail.example.org, please", "ada.l+x@mail.example.org"),
        ("email", "a@b and @you and user@host", None),
        ("phone", "call +44 20 7946 0958 now", "+44 20 7946 0958"),
        ("phone", "call (202) 555-0143 now", "(202) 555-0143"),
        ("phone", "in 1815 and 1852, 12 345 678 people", None),
        ("network address", "from 192.168.10.1 on", "192.168.10.1"),
        ("network address", "at 2001:db8::8a2e:370:7334 too", "2001:db8::8a2e:370:7334"),
        ("network address", "version 1.2.3 at 12:30:45, 300.1.1.1", None),
        ("card", "card 4111 1111 1111 1111 ok", "4111 1111 1111 1111"),
        ("card", "card 4111 1111 1111 1112 no", None),
        ("card", "0000 0000 0000 0000", None),
        ("iban", "to GB82 WEST 1234 5698 7654 32 today", "GB82 WEST 1234 5698 7654 32"),
        ("iban", "to DE89370400440532013000.", "DE89370400440532013000"),
        ("iban", "to DE88370400440532013000.", None),
        ("social security", "number 078-05-1120 was", "078-05-1120"),
        ("social security", "number 000-12-3456 or 666-12-3456 or 078-00-1120", None),
    ],
)
def test_personal_data(kind, text, found):
    matches = [text[f.start : f.end] for f in find_personal(text) if f.kind == kind]
    assert matches == ([] if found is None else [found])


SHAPED = st.sampled_from(
    ["a", "x@y.org", "@", ":", "::", "af01", "1", "12", "555", "-", " ", ".", "(", ")", "+", "\n"]  # noqa: RUF005
    + ["GB82", "WEST", "1234", "4111", "\u0663", "078-05-1120", "\u00e9"]
)


@settings(max_examples=300, deadline=None)
@given(parts=st.lists(SHAPED, max_size=24))
def test_personal_data_is_what_the_patterns_find_in_the_whole_text(parts):
    text = "".join(parts)
    everywhere = {
        (kind, match.start(), match.end())
        for kind, pattern in personal._PATTERNS.items()
        for match in pattern.shape.finditer(text)
        if pattern.accepts(match.group())
    }
    found = list(find_personal(text))
    assert len(found) == len(set(found))
    assert set(map(tuple, found)) == everywhere


def test_masked_examples_hide_all_but_the_shape():
    assert mask("ada.l@mail.org") == "a**.*@****.***"
    assert luhn("79927398713")  # the example of the standard's own text
    assert not luhn("79927398710")


def jaccard(a, b):
    def shingles(text):
        found = words(text)
        return {tuple(found[k : k + 5]) for k in range(max(1, len(found) - 4))}

    mine, other = shingles(a), shingles(b)
    return len(mine & other) / len(mine | other)


def test_duplicates_are_those_of_brute_force(tmp_path_factory):
    random = np.random.default_rng(0)
    base = [" ".join(random.choice(list("abcdefgh"), 60)) for _ in range(4)]
    texts = [*base, base[1], base[2] + " end", base[2] + " other end", base[0][:60], base[1]]
    corpus = build(tmp_path_factory, texts)
    found = find_duplicates(corpus, 0.6)
    near = [{i} for i in range(len(texts))]
    for i, j in itertools.combinations(range(len(texts)), 2):
        if jaccard(texts[i], texts[j]) >= 0.6:
            near[i] |= {j}
            near[j] |= {i}
    assert found.near.tolist() == [min(group) for group in near]
    assert found.equal.tolist() == [texts.index(text) for text in texts]
    assert clusters(found.equal) == [[1, 4, 8]]
    assert clusters(found.near) == [[1, 4, 8], [2, 5, 6]]


@pytest.mark.parametrize("length", [12, 60, 2000])
def test_sketches_estimate_the_share_of_common_runs(length):
    """Over many pairs: without bias, and as exact as 128 orders of the runs would be."""
    random = np.random.default_rng(length)
    sketcher, errors = Sketcher(), []
    for _ in range(60):
        mine = [str(n) for n in random.integers(0, 10**6, length)]
        other = [*mine[: int(length * 0.85)], "x", *mine[int(length * 0.9) :]]
        a, b = " ".join(mine), " ".join(other)
        errors.append((sketcher(a) == sketcher(b)).mean() - jaccard(a, b))
    assert abs(np.mean(errors)) < 4 * 0.5 / np.sqrt(128 * 60)
    assert np.std(errors) < 1.3 * 0.5 / np.sqrt(128)


def test_edited_copies_are_found():
    """Copies with words changed here and there, against comparing all pairs."""
    random = np.random.default_rng(4)
    base = [[str(n) for n in random.integers(0, 500, length)] for length in [30, 300] * 40]
    texts = [" ".join(words) for words in base]
    for copy in base:
        for k in random.integers(0, len(copy), max(1, len(copy) // 60)):
            copy[k] = "edited"
        texts.append(" ".join(copy))
    sketches = np.array([Sketcher()(text) for text in texts])
    found = set(candidates(sketches, 0.6))
    pairs = itertools.combinations(range(len(texts)), 2)
    true = {(i, j) for i, j in pairs if jaccard(texts[i], texts[j]) >= 0.6}
    assert len(true) >= 70
    assert len(true & found) >= 0.97 * len(true)
    assert len(found) < 3 * len(true)


LETTER = "Write to ada@example.org or call (202) 555-0143. " * 2


@pytest.fixture(scope="module")
def sliced(tmp_path_factory):
    pytest.importorskip("py3langid", reason="needs the extra whence[language]")
    texts = [*TEXTS, LETTER, "Der Hund lief durch den Wald und sah die Katze auf dem Baum."]
    texts += ["She said that the weather would be fine for the rest of the week."] * 2
    found = [
        RawDocument(f"d{i}", text, {"half": "ab"[i % 2]} if i else {})
        for i, text in enumerate(texts)
    ]
    folder = tmp_path_factory.mktemp("sliced") / "c"
    return build_from_documents(found, folder, BuildSettings(vocab_size=400)), texts


@pytest.fixture(scope="module")
def record(sliced):
    return describe(sliced[0], DescribeSettings(by="half", languages=True, repeat=8))


def test_the_whole_is_what_a_reader_counts(sliced, record):
    corpus, texts = sliced
    whole = record["whole"]
    counted = Counter(word for text in texts for word in words(text))
    assert whole["documents"] == len(texts)
    assert whole["bytes"] == sum(len(text.encode()) for text in texts)
    assert whole["tokens"] == corpus.n_tokens
    assert whole["words"]["read"] == counted.total()
    assert whole["words"]["kinds"] == len(counted)
    assert whole["words"]["once"] == sum(n == 1 for n in counted.values())
    top = whole["words"]["top"][0]
    assert (top["word"], top["count"]) == max(counted.items(), key=lambda p: (p[1], p[0]))
    lengths = [len(corpus.document(i).tokens) for i in range(len(texts))]
    told = whole["lengths"]["tokens"]
    assert told["mean"] == pytest.approx(np.mean(lengths))
    assert told["quantiles"]["0.95"] == pytest.approx(np.quantile(lengths, 0.95))
    for low, high, n in told["bins"]:
        assert n == sum(low <= length <= high for length in lengths)
    assert sum(n for *_, n in told["bins"]) == len(texts)
    assert whole["personal"]["email"] == {"matches": 2, "documents": 1}
    assert record["personal_examples"]["email"] == ["a**@*******.***"] * 2
    assert whole["duplicates"]["equal"] == 1
    assert whole["languages"]["de"]["documents"] == 1
    assert set(whole["personal"]) == set(PERSONAL)


def test_slices_add_up_to_the_whole(record):
    whole, slices = record["whole"], record["slices"]
    assert set(slices) == {"a", "b", ""}
    for key in ("documents", "tokens", "bytes"):
        assert sum(told[key] for told in slices.values()) == whole[key]
    for key in ("characters", "personal", "duplicates"):
        for name, total in whole[key].items():
            parts = [told[key][name] for told in slices.values()]
            if isinstance(total, dict):
                assert sum(part["matches"] for part in parts) == total["matches"]
            elif name != "threshold":
                assert sum(parts) == total


def test_the_record_is_plain_and_the_page_is_safe(record, tmp_path_factory):
    json.dumps(record, allow_nan=False)
    page = statistics_page(json.loads(json.dumps(record)))
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") == 3
    corpus = build(tmp_path_factory, ["<script>alert(1)</script> " * 30])
    assert "<script" not in statistics_page(describe(corpus, DescribeSettings(repeat=8)))


def test_measures_are_given_by_document(sliced):
    corpus, texts = sliced
    measures = measure(corpus)
    assert measures.words.tolist() == [len(words(text)) for text in texts]
    assert measures.bytes.tolist() == [len(text.encode()) for text in texts]
    assert measures.languages == ()


def test_languages_of_a_book_in_eight_versions(real_data, tmp_path):
    pytest.importorskip("py3langid", reason="needs the extra whence[language]")
    from whence.corpus import build_corpus

    corpus = build_corpus(
        [real_data / "text" / "genesis.jsonl"],
        tmp_path / "c",
        BuildSettings(tokenizer="bytes"),
    )
    told = measure(corpus, languages=True).languages
    names = corpus.metadata.column("lang").to_pylist()
    codes = {
        "english-kjv": "en",
        "english-web": "en",
        "finnish": "fi",
        "french": "fr",
        "german": "de",
        "lolcat": "en",
        "portuguese": "pt",
        "swedish": "sv",
    }
    assert list(told) == [codes[name] for name in names]
