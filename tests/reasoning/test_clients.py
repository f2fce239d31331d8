"""Clients: what is drawn, asked, kept and replayed."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from tests.reasoning.conftest import letter_model
from whence.core.errors import ClientError, DamagedError
from whence.reasoning.clients import (
    Client,
    Completion,
    Journalled,
    Recorded,
    Reply,
    Sampling,
    ServerModel,
    ServerSettings,
    open_client,
    read_calls,
    write_recording,
)
from whence.reasoning.clients.local import LocalModel

LOUD = Sampling(max_tokens=12, temperature=1.0, n=3, log_probabilities=True)


@pytest.fixture(scope="module")
def local(letters):
    return LocalModel(letters)


# a model on this machine


def test_greedy_is_what_the_model_itself_generates(local, letters):
    said = local.complete(["the "], Sampling(max_tokens=20))[0].completions[0].text
    ids = letters.tokenizer("the ", return_tensors="pt").input_ids
    expected = letters.module.generate(ids, max_new_tokens=20, do_sample=False)[0, ids.shape[1] :]
    assert said == letters.tokenizer.decode(expected, skip_special_tokens=True)


def test_log_probabilities_are_those_of_one_forward_pass(local, letters):
    for completion in local.complete(["ab"], LOUD)[0].completions:
        if completion.finish == "length":
            score = local.log_probabilities(["ab"], [completion.text])[0]
            assert completion.log_probability == pytest.approx(score, abs=1e-4)


def test_a_sample_does_not_depend_on_its_company(local):
    alone = local.complete(["ab"], LOUD)
    assert local.complete(["xy", "ab", "q"], LOUD)[1] == alone[0]
    assert len({c.text for c in alone[0].completions}) == 3


def test_draws_follow_the_model():
    model = letter_model("ab", scale=20)
    client = LocalModel(model)
    draws = client.complete(["a"], Sampling(1, 1.0, n=3000, log_probabilities=True))[0].completions
    ids = model.tokenizer("a", return_tensors="pt").input_ids
    expected = model.module(ids).logits[0, -1].softmax(-1)
    counts = [sum(c.tokens == (t,) for c in draws) for t in ("", "a", "b")]
    assert torch.tensor(counts) / 3000 == pytest.approx(expected.detach().numpy(), abs=0.04)


def test_top_p_keeps_the_smallest_set_that_reaches_it(local, letters):
    ids = letters.tokenizer("a", return_tensors="pt").input_ids
    probabilities = letters.module(ids).logits[0, -1].softmax(-1).sort(descending=True)
    size = int((probabilities.values.cumsum(-1) < 0.5).sum()) + 1
    allowed = {letters.tokenizer.decode([t]) for t in probabilities.indices[:size].tolist()}
    drawn = local.complete(["a"], Sampling(1, 1.0, top_p=0.5, n=300, log_probabilities=True))
    assert {c.tokens[0] for c in drawn[0].completions} == allowed - {"</s>"} or "</s>" in allowed


def test_a_completion_ends_before_a_stop_text(local):
    free = local.complete(["the "], Sampling(max_tokens=20))[0].completions[0].text
    stopped = local.complete(["the "], Sampling(max_tokens=20, stop=(free[5:7],)))[0].completions[0]
    assert stopped.text == free[: free.index(free[5:7])]
    assert stopped.finish == "stop"


@pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"temperature": -1.0}, {"top_p": 0.0},
                                   {"n": 0}, {"stop": ("",)}])  # fmt: skip
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ClientError, match=f"Sampling.{next(iter(wrong))}"):
        Sampling(**wrong)


# journals and recordings


class Counting:
    """A client that counts what it is asked, and may fail."""

    model = "counting"

    def __init__(self, fail_at=None):
        self.asked, self.fail_at = [], fail_at

    def complete(self, prompts, sampling):
        if self.fail_at is not None and len(self.asked) >= self.fail_at:
            raise ClientError("x", expected="y", got="z", fix="w")
        self.asked += prompts
        return [
            Reply((Completion(p.upper()),) * sampling.n, "counting", 1, 2, 0.5) for p in prompts
        ]


def test_a_journal_goes_on_where_it_stopped_and_replays(tmp_path):
    path, prompts = tmp_path / "calls.jsonl", ["a", "b", "c", "b"]
    failing = Counting(fail_at=2)
    with pytest.raises(ClientError):
        Journalled(failing, path, piece=1).complete(prompts, Sampling())
    assert failing.asked == ["a", "b"]
    with path.open("ab") as file:
        file.write(b'{"torn')
    going_on = Counting()
    journalled = Journalled(going_on, path)
    replies = journalled.complete(prompts, Sampling())
    assert going_on.asked == ["c"]
    assert [r.completions[0].text for r in replies] == ["A", "B", "C", "B"]
    assert journalled.cost == 1.5
    assert Journalled(Counting(fail_at=0), path).complete(prompts, Sampling()) == replies
    recorded = Recorded(path)  # the torn line is gone
    assert recorded.model == "counting"
    assert recorded.complete(prompts, Sampling()) == replies


def test_a_journal_is_a_recording(tmp_path):
    path = tmp_path / "calls.jsonl"
    live = Journalled(Counting(), path).complete(["a", "b"], Sampling(n=2))
    assert Recorded(path).complete(["a", "b"], Sampling(n=2)) == live
    with pytest.raises(ClientError, match="never asked so"):
        Recorded(path).complete(["a"], Sampling(n=3))
    call = read_calls(path)[0]
    assert call["request"]["prompt"] == "a"
    assert call["reply"]["cost"] == 0.5
    assert call["seconds"] >= 0


def test_other_settings_are_another_request(tmp_path):
    client = Counting()
    kept = Journalled(client, tmp_path / "calls.jsonl")
    kept.complete(["a"], Sampling())
    kept.complete(["a"], Sampling(temperature=0.5))
    assert client.asked == ["a", "a"]


def test_a_recording_by_prompt_answers_under_any_settings(tmp_path):
    path = tmp_path / "said.jsonl"
    write_recording(path, [("q", ["one", "two"])])
    client = open_client(str(path))
    assert isinstance(client, Client)
    assert client.complete(["q"], Sampling())[0].completions == (Completion("one"),)
    assert len(client.complete(["q"], Sampling(temperature=1, n=2))[0].completions) == 2
    with pytest.raises(ClientError, match="2 recorded"):
        client.complete(["q"], Sampling(n=3))
    assert "q" not in path.read_text().replace('"prompt"', "").split('"')


@pytest.mark.parametrize("text", ["{", "[1]\n", '{"prompt": "x"}\n'])
def test_what_is_no_recording_is_refused(tmp_path, text):
    path = tmp_path / "said.jsonl"
    path.write_text(text)
    with pytest.raises(ClientError, match="recording"):
        Recorded(path)


def test_a_journal_of_something_else_is_refused(tmp_path):
    path = tmp_path / "calls.jsonl"
    path.write_text('{"step": 1}\n')
    with pytest.raises(DamagedError, match="line 1"):
        Journalled(Counting(), path)


# a server, played by one of a few lines


class Script:
    """Answers of a server, in order; each is a status, a body and headers."""

    def __init__(self, *answers):
        self.answers, self.seen, self.headers, self.times = list(answers), [], [], []
        self.busy, self.most_busy, self.lock = 0, 0, threading.Lock()


def said(*texts, **more):
    choices = [{"text": text, "finish_reason": "stop"} | more for text in texts]
    usage = {"prompt_tokens": 10, "completion_tokens": 20}
    return 200, {"choices": choices, "model": "m-1", "usage": usage}, {}


@pytest.fixture
def serve():
    servers = []

    def start(script):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with script.lock:
                    script.busy += 1
                    script.most_busy = max(script.busy, script.most_busy)
                    script.seen.append((self.path, body))
                    script.headers.append(dict(self.headers))
                    script.times.append(time.monotonic())
                    last = len(script.answers) == 1
                    status, answer, headers = script.answers[0] if last else script.answers.pop(0)
                time.sleep(0.02)
                with script.lock:
                    script.busy -= 1
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {"content-length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def asking(url, pauses=None, **settings):
    waited = [] if pauses is None else pauses
    return ServerModel("m", ServerSettings(url, **settings), waited.append)


def test_a_server_is_asked_as_told(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    logprobs = {"tokens": ["h", "i"], "token_logprobs": [-0.5, -1.0]}
    script = Script(said("hi", logprobs=logprobs))
    client = asking(serve(script), price_in=1.0, price_out=2.0)
    sampling = Sampling(7, 0.4, 0.9, stop=("\n",), seed=3, log_probabilities=True)
    reply = client.complete(["prompt"], sampling)[0]
    client.close()
    path, body = script.seen[0]
    assert path == "/v1/completions"
    assert body == {
        "model": "m", "prompt": "prompt", "max_tokens": 7, "temperature": 0.4, "top_p": 0.9,
        "n": 1, "stop": ["\n"], "seed": 3, "logprobs": 0,
    }  # fmt: skip
    assert script.headers[0]["Authorization"] == "Bearer secret-key"
    assert reply == Reply(
        (Completion("hi", "stop", ("h", "i"), (-0.5, -1.0)),), "m-1", 10, 20, 5e-5
    )


def test_chat_is_the_other_endpoint(serve):
    told = {"content": [{"token": "hi", "logprob": -2.0}]}
    choice = {"message": {"content": "hi"}, "finish_reason": "length", "logprobs": told}
    script = Script((200, {"choices": [choice]}, {}))
    client = asking(serve(script), endpoint="chat")
    reply = client.complete(["prompt"], Sampling())[0]
    client.close()
    assert script.seen[0][0] == "/v1/chat/completions"
    assert script.seen[0][1]["messages"] == [{"role": "user", "content": "prompt"}]
    assert reply.completions == (Completion("hi", "length", ("hi",), (-2.0,)),)
    assert reply.cost is None


def test_a_server_that_gives_one_at_a_time_is_asked_again(serve):
    script = Script(said("a"), said("b", "c"), said("never"))
    client = asking(serve(script))
    reply = client.complete(["p"], Sampling(n=3, seed=5))[0]
    client.close()
    assert [c.text for c in reply.completions] == ["a", "b", "c"]
    assert [body["seed"] for _, body in script.seen] == [5, 6]
    assert reply.completion_tokens == 40


def test_faults_that_pass_are_waited_for(serve):
    busy = (429, {"error": "slow down"}, {"retry-after": "7"})
    script = Script(busy, (503, {}, {}), (500, {}, {}), said("ok"))
    pauses = []
    client = asking(serve(script), pauses, pause=1.0)
    assert client.complete(["p"], Sampling())[0].completions[0].text == "ok"
    client.close()
    assert pauses[0] == 7.0
    assert 1.0 <= pauses[1] <= 3.0
    assert 2.0 <= pauses[2] <= 6.0


def test_a_server_that_never_answers_is_given_up(serve):
    client = asking(serve(Script((503, {"why": "tired"}, {}))), attempts=3)
    with pytest.raises(ClientError, match=r"within 3 attempts.*tired"):
        client.complete(["p"], Sampling())
    client.close()
    nobody = asking("http://127.0.0.1:9/v1", attempts=2)
    with pytest.raises(ClientError, match="ConnectError"):
        nobody.complete(["p"], Sampling())
    nobody.close()


def test_a_slow_answer_times_out(serve):
    client = asking(serve(Script(said("late"))), timeout=0.001, attempts=1)
    with pytest.raises(ClientError, match="Timeout"):
        client.complete(["p"], Sampling())
    client.close()


@pytest.mark.parametrize(("status", "words"), [(401, "MY_KEY"), (404, "request is at fault")])
def test_a_refusal_is_final_and_holds_no_key(serve, monkeypatch, status, words):
    monkeypatch.setenv("MY_KEY", "secret-key")
    script = Script((status, {"error": "no"}, {}))
    client = asking(serve(script), key="MY_KEY")
    with pytest.raises(ClientError, match=words) as caught:
        client.complete(["p"], Sampling())
    client.close()
    assert len(script.seen) == 1
    assert "secret-key" not in str(caught.value)


@pytest.mark.parametrize("answer", [b"<html>", b'{"choices": []}', b"[]"])
def test_another_server_is_told(serve, answer):
    client = asking(serve(Script((200, answer, {}))))
    with pytest.raises(ClientError, match="OpenAI-compatible"):
        client.complete(["p"], Sampling())
    client.close()


def test_requests_are_bounded_in_number_and_rate(serve):
    script = Script(said("x"))
    client = asking(serve(script), concurrency=3)
    client.complete(list("abcdefghi"), Sampling())
    client.close()
    assert script.most_busy <= 3
    pauses = []
    slow = asking(serve(Script(said("x"))), pauses, per_minute=600, concurrency=1)
    slow.complete(list("abc"), Sampling())
    slow.close()
    # Nobody sleeps in this test, so that each turn lies a gap behind the one before.
    assert pauses[0] == 0
    assert all(0 < later <= 0.1 * k for k, later in enumerate(pauses[1:], start=1))


def test_the_key_is_in_no_journal(serve, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    client = asking(serve(Script(said("x"))))
    Journalled(client, tmp_path / "calls.jsonl").complete(["p"], Sampling())
    client.close()
    assert "secret-key" not in (tmp_path / "calls.jsonl").read_text()
