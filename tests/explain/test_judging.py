"""Methods by name beside one another, judged by real removals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from tests.models.small import save_encoder
from whence.cli.bank import bank as bank_command
from whence.cli.judge import judge as judge_command
from whence.core import Scores
from whence.core.errors import BehaviorError, InterventionError, MethodError
from whence.explain import (
    METHODS,
    Cut,
    JudgeSettings,
    judge_components,
    judge_documents,
    judge_tokens,
)
from whence.explain.judged_page import judged_page
from whence.explain.judging import Case, _cross_fitted
from whence.explain.methods import Method
from whence.explain.peak import peak_memory
from whence.explain.untrained import untrained
from whence.interventions import Components, make_bank
from whence.training import open_run, train
from whence.verification import Resampling
from whence.worlds import copying

QUICK = Resampling(resamples=100)


@pytest.fixture(scope="module")
def questions(quick_run):
    return quick_run.questions


@pytest.fixture(scope="module")
def bank(quick_run, tmp_path_factory):
    """The documents about each person as one cause: effects are large."""
    place = tmp_path_factory.mktemp("bank") / "b"
    return make_bank(quick_run.run, place, 12, groups=quick_run.groups, workers=1)


@pytest.fixture(scope="module")
def judged(bank, questions, quick_run):
    settings = JudgeSettings(shares=(), resampling=QUICK)
    oracle = Scores(
        values=np.array(
            [[float(cause.id == name) for cause in bank.causes] for name in quick_run.groups]
        ),
        behaviors=tuple(questions),
        causes=bank.causes,
        method="oracle",
        estimand="additive",
        unit="rank",
    )
    truth = [[name] for name in quick_run.groups]
    methods = ["tracin", "bm25", "random"]
    found = judge_documents(
        bank, questions, methods, given=[oracle], truth=truth, settings=settings
    )
    return {row.method: row for row in found.rows}, found


def test_the_truth_is_judged_better_than_chance(judged):
    rows, _ = judged
    assert rows["oracle"].agreement.lds > 0.3
    assert rows["oracle"].agreement.lds > rows["random"].agreement.lds
    assert rows["oracle"].recall == 1.0


def test_every_row_has_its_cost_its_sanity_and_its_place(judged):
    rows, found = judged
    assert rows["tracin"].seconds > 0
    assert rows["tracin"].peak_mb is None or rows["tracin"].peak_mb > 50
    assert set(rows["tracin"].sanity) == {"causes shuffled", "before training"}
    assert set(rows["bm25"].sanity) == {"causes shuffled"}
    assert rows["bm25"].lead is None
    low, high = rows["tracin"].lead
    assert low <= high
    record = json.loads(json.dumps(found.to_json()))
    assert {"method", "lds", "interval", "loss_rise", "seconds", "peak_mb"} <= set(
        record["rows"][0]
    )
    assert record["subsets"] == 12


def test_untrained_weights_are_drawn_anew_also_after_a_checkpoint(quick_run, tmp_path):
    run = quick_run.run
    start = run.checkpoint().path
    recipe = replace(run.recipe, checkpoint=str(start), config=None, steps=2, epochs=1.0)
    before = untrained(train(run.corpus(), tmp_path / "on", recipe), tmp_path / "untrained")
    fresh, learned = (r.model(0).module.state_dict() for r in (run, open_run(tmp_path / "on")))
    for name, weights in before.model().module.state_dict().items():
        torch.testing.assert_close(weights, fresh[name], rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(fresh[name], weights) for name, weights in learned.items())


def test_a_method_that_fits_subsets_is_judged_on_others(bank, questions):
    with pytest.raises(MethodError, match="at least 16 subsets"):
        judge_documents(bank, questions, ["datamodel"])
    with pytest.raises(MethodError, match="names out of through-run, "):
        judge_documents(bank, questions, ["magic"])


def test_cross_fitting_predicts_no_subset_by_what_was_fitted_to_it(bank, questions):
    asked, causes = tuple(questions[:2]), bank.causes
    keep = np.random.default_rng(0).random((40, len(causes))) < 0.5
    fitted = []

    def score(_, behaviors, subsets):
        fitted.append(subsets)
        values = np.full((len(behaviors), len(causes)), float(len(fitted)))
        return Scores(values, tuple(behaviors), causes, "count", "average")

    case = Case(bank, asked, keep, np.zeros((2, len(keep))))
    (sums,) = _cross_fitted(Method(score, fits=True), [case], JudgeSettings())
    assert len(fitted) == 5
    for number, subsets in enumerate(fitted):
        held = np.arange(40) % 5 == number
        np.testing.assert_array_equal(subsets, keep[~held])
        by_this_fit = (number + 1.0) * keep[held].sum(1)
        np.testing.assert_allclose(sums[:, held], np.stack([by_this_fit] * 2))


def test_scores_from_elsewhere_have_their_controls_too(bank, questions):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(len(questions), len(bank.causes)))
    one = Scores(
        values, tuple(questions), bank.causes, "theirs", "additive", settings={"peak_mb": 3.0}
    )
    settings = JudgeSettings(shares=(), resampling=QUICK)
    found = judge_documents(
        bank, questions, [], given=[one], blind={"theirs": one}, settings=settings
    )
    (row,) = found.rows
    assert row.peak_mb == 3.0
    assert set(row.sanity) == {"causes shuffled", "before training"}
    assert row.sanity["before training"].lds == row.agreement.lds


def test_components_are_judged_by_the_same_lines(quick_run, questions):
    model = quick_run.run.model()
    parts = Components(model, replacement="zero")
    settings = JudgeSettings(shares=(), resampling=QUICK, subsets=40, keep_share=0.9)
    before = Components(quick_run.run.model(0), replacement="zero")
    methods = ["leave-one-out", "coar", "random"]
    found = judge_components(parts, questions, methods, before=before, settings=settings)
    rows = {row.method: row for row in found.rows}
    assert rows["coar"].agreement.lds > 0.5
    assert rows["leave-one-out"].agreement.lds > rows["random"].agreement.lds
    assert rows["coar"].sanity["causes shuffled"].lds < rows["coar"].agreement.lds


def test_tokens_are_judged_prompt_by_prompt(quick_run, questions):
    settings = JudgeSettings(resampling=QUICK, subsets=20)
    found = judge_tokens(
        quick_run.run.model(), questions[:2], ["leave-one-out", "lime"], settings=settings
    )
    assert found.rows[1].agreement.by_behavior.shape == (2,)
    assert found.rows[1].agreement.lds > 0.5
    told = found.to_json()["rows"][0]["curve"]
    low, high = told["deletion"]["interval"]
    assert low <= told["deletion"]["value"] <= high


def test_orders_of_words_beside_those_that_know_nothing():
    world = copying(6, noise=0.02)
    methods = ["leave-one-out", "value-flow", "last-first", "embedding-norm", "random"]
    found = judge_tokens(
        world.model,
        world.behaviors,
        methods,
        cut=Cut("word", "replace"),
        settings=JudgeSettings(resampling=QUICK, subsets=20),
    )
    rows = {row.method: row for row in found.rows}
    assert {"last-first", "random"} <= set(rows["leave-one-out"].ahead)
    assert rows["random"].ahead == ()
    assert rows["leave-one-out"].curve.deletion < rows["last-first"].curve.deletion
    page = judged_page(found.to_json(), ["random"])
    assert "What the first causes carry" in page


def test_every_method_has_a_name_that_its_scores_could_bear():
    assert all("random" in methods for methods in METHODS.values())


def test_peak_memory_sees_what_was_held_for_a_moment():
    with peak_memory() as idle:
        pass
    with peak_memory() as busy:
        np.ones(60_000_000 // 8).sum()
    if idle.megabytes is None:
        pytest.skip("this system keeps no peak that can be set back")
    assert busy.megabytes - idle.megabytes > 40


app = typer.Typer(pretty_exceptions_enable=False)
app.command("bank")(bank_command)
app.command("judge")(judge_command)


def call(*words):
    return CliRunner().invoke(app, [str(w) for w in words], catch_exceptions=False)


def test_the_commands(quick_run, questions, tmp_path):
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(q.to_json()) + "\n" for q in questions))
    made = ["bank", quick_run.run.path, "-o", tmp_path / "b", "--subsets", 8, "--workers", 1]
    record = json.loads(call(*made, "--behaviors", file, "--json").stdout)
    assert np.array(record["values"]).shape == (len(questions), 8)
    truth = tmp_path / "truth.jsonl"
    truth.write_text("".join(json.dumps(f) + "\n" for f in quick_run.groups.values()))
    words = ["judge", quick_run.run.path, "--bank", tmp_path / "b", "--methods", "bm25,random"]
    options = ["--shares", "", "--truth", truth]
    judged = json.loads(call(*words, *options, "--json").stdout)
    assert [row["method"] for row in judged["rows"]] == ["bm25", "random"]
    assert judged["rows"][0]["recall"] > judged["rows"][1]["recall"]
    page = tmp_path / "j.html"
    assert "LDS" in call(*words, *options, "-o", tmp_path / "j.json", "--page", page).stdout
    assert "<svg" in page.read_text()
    assert "bm25" in page.read_text()
    assert json.loads((tmp_path / "j.json").read_text())["subsets"] == 8


def test_components_from_the_command_line(quick_run, questions, tmp_path):
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(q.to_json()) + "\n" for q in questions[:2]))
    words = ["judge", quick_run.run.path, "--by", "components", "--behaviors", file]
    words += ["--methods", "attribution-patching,random", "--shares", "", "--subsets", 12]
    words += ["--no-sanity", "--replacement", "resample", "--cascade", "-o", tmp_path / "j.json"]
    told = call(*words).stdout
    assert "above random" in told
    assert "notices" in told
    record = json.loads((tmp_path / "j.json").read_text())
    assert record["how"]["removal"] == "activation replaced (resample)"
    rows = {row["method"]: row for row in record["rows"]}
    assert rows["attribution-patching"]["cascade"]["stages"][0] == "unembedding"
    assert rows["random"]["cascade"] is None
    with pytest.raises(InterventionError, match="zero, mean, other, resample"):
        call(*words, "--replacement", "noise")


def test_the_commands_refuse(quick_run, tmp_path):
    with pytest.raises(MethodError, match="--bank"):
        call("judge", quick_run.run.path)
    with pytest.raises(MethodError, match="--by"):
        call("judge", quick_run.run.path, "--by", "neurons")
    with pytest.raises(BehaviorError, match="--behaviors"):
        call("judge", quick_run.run.path, "--by", "tokens")
    make_bank(quick_run.run, tmp_path / "b", 1, workers=1)
    with pytest.raises(BehaviorError, match="neither"):
        call("judge", quick_run.run.path, "--bank", tmp_path / "b")
    with pytest.raises(MethodError, match="list of ids"):
        (tmp_path / "t").write_text("3\n")
        file = tmp_path / "q.jsonl"
        file.write_text('{"prompt": "a", "target": " b"}\n')
        words = ("--behaviors", file, "--truth", tmp_path / "t")
        call("judge", quick_run.run.path, "--bank", tmp_path / "b", *words)


@pytest.mark.parametrize("name", [n for n, m in METHODS["document"].items() if not m.fits])
def test_every_document_method_can_be_asked_for(name, bank, questions):
    scores = METHODS["document"][name].score(bank, questions[:2], bank.keep[:0])
    assert scores.method == name
    assert [c.id for c in scores.causes] == [c.id for c in bank.causes]
    assert np.isfinite(scores.values).all()


def test_an_encoder_and_a_budget_of_memory_can_be_given(bank, questions, tmp_path):
    encoder = save_encoder(tmp_path)
    plain = JudgeSettings(shares=(), sanity=False)
    little = replace(plain, memory=1, encoder=encoder)
    found = judge_documents(bank, questions[:2], ["through-run", "random"], settings=little)
    assert [row.method for row in found.rows] == ["through-run", "random", "sentences"]
    assert found.rows[2].scores[0].settings["encoder"] == encoder
    usual = judge_documents(bank, questions[:2], ["through-run"], settings=plain)
    same = [judged.rows[0].scores[0].values for judged in (found, usual)]
    np.testing.assert_array_equal(*same)  # what is not kept is computed again
