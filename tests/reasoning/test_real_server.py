"""The client of servers against a real one: `transformers serve`, on loopback."""

import socket
import subprocess
import sys
import time

import pytest

from whence.reasoning.clients import Completion, Journalled, Sampling, ServerModel, ServerSettings
from whence.reasoning.clients.local import LocalModel

for package in ("fastapi", "uvicorn", "openai"):
    pytest.importorskip(package, reason="transformers serve needs transformers[serving]")

START = (
    "import sys; sys.argv = ['transformers', 'serve', *sys.argv[1:]]\n"
    "from transformers.cli.transformers import main; main()"
)


def _wait_for(port):
    for _ in range(600):
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.3)
    pytest.fail("the server did not start")


@pytest.fixture(scope="module")
def served(letters, tmp_path_factory):
    """A folder with the model of letters, and the URL of a server that has loaded it."""
    folder = tmp_path_factory.mktemp("served")
    letters.module.save_pretrained(folder)
    letters.tokenizer.save_pretrained(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(folder), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait_for(port)
    yield str(folder), f"http://127.0.0.1:{port}/v1"
    process.terminate()
    process.wait(60)


def test_a_real_server_says_what_the_model_says(served, letters, tmp_path):
    folder, url = served
    client = ServerModel(folder, ServerSettings(url))
    path = tmp_path / "calls.jsonl"
    prompts, sampling = ["the ", "a cat "], Sampling(max_tokens=10)
    replies = Journalled(client, path).complete(prompts, sampling)
    client.close()
    local = LocalModel(letters).complete(prompts, sampling)
    assert [r.completions for r in replies] == [
        tuple(Completion(c.text, c.finish) for c in reply.completions) for reply in local
    ]
    assert [r.completion_tokens for r in replies] == [10, 10]
    gone = ServerModel(folder, ServerSettings("http://127.0.0.1:9/v1"))
    assert Journalled(gone, path).complete(prompts, sampling) == replies
    gone.close()
