"""`vlm serve` as a process of its own: started by words, asked over the network, stopped by a signal."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from tests.serving.conftest import message
from tests.serving.test_engine import until
from vlm.cli import main
from vlm.data.sample import Prompt
from vlm.endpoint.served import served
from vlm.study.asked import load_answerer, open_model

WORDS = ("port=0", "trainer.num_threads=1", "tracking=none", "max_new_tokens=6")


@contextmanager
def serving(*words: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server, and yield it with its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vlm", "serve", *WORDS, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment},
    )  # fmt: skip
    try:
        assert process.stdout
        said = ""
        while "http://" not in said:
            said = process.stdout.readline()
            assert said, process.stderr.read() if process.stderr else ""
        yield process, re.findall(r"http://\S+", said)[0]
    finally:
        process.kill()
        process.wait()


def test_a_run_is_served_and_a_signal_ends_it_under_load(trained: Path, prompts: list[Prompt]) -> None:
    named = open_model(str(trained), None, ["tracking=none", "trainer.num_threads=1"])
    alone = load_answerer(named, 6)([prompts[0]])[0]
    with serving(f"run={trained}", "api_key_variable=KEY", KEY="right") as (process, url):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="right", max_retries=0)
        [model] = client.models.list()
        assert model.id == trained.name
        said = client.chat.completions.create(model=model.id, messages=[message(prompts[0])])
        assert said.choices[0].message.content == alone
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(base_url=f"{url}/v1", api_key="wrong", max_retries=0).models.list()
        ended, refused, asking = [], [], threading.Event()

        def ask() -> None:
            while True:
                try:
                    said = client.chat.completions.create(model=model.id, messages=[message(prompts[0])])
                    ended.append(said.choices[0].message.content)
                    asking.set()
                except (openai.APIConnectionError, openai.InternalServerError) as error:
                    refused.append(error)
                    return

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        assert asking.wait(30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        for thread in threads:
            thread.join()
        log = process.stderr.read() if process.stderr else ""
    assert set(ended) == {alone}
    assert all(isinstance(error, openai.APIConnectionError) or error.status_code == 503 for error in refused)
    assert "Traceback" not in log
    assert "right" not in log
    assert len(re.findall(r"POST /v1/chat/completions 200 ", log)) == len(ended) + 1


def test_words_that_do_not_go_together_are_one_line(
    trained: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for words, said in (
        (["at_once=0"], "at_once must be at least 1"),
        (["api_key_variable=NO_SUCH_KEY"], "the environment variable NO_SUCH_KEY is not set"),
        ([f"against={trained}"], "say run=MODEL"),
        ([f"base={trained}"], "say run=MODEL"),
        ([f"run={tmp_path}"], "name one"),
        ([f"run={trained}", f"against={trained}"], "say names=NAME,NAME"),
        ([f"run={trained}", "evaluation.decoding.num_beams=2"], "num_beams=2"),
        ([f"paths.runs={tmp_path}", f"paths.data={tmp_path.parent}/data0"], "is not trained"),
        ([f"run={trained}", "host=192.0.2.1"], "cannot be listened on"),
    ):  # fmt: skip
        assert main(["serve", "port=0", "tracking=none", *words]) == 2, words
        error = capsys.readouterr().err.strip()
        assert said in error
        assert "\n" not in error


def is_up(url: str) -> bool:
    try:
        openai.OpenAI(base_url=url, api_key="none", max_retries=0).models.list()
    except openai.APIConnectionError:
        return False
    return True


@pytest.mark.slow
def test_what_is_served_to_be_asked_ends_with_its_asker(trained: Path) -> None:
    words = [f"run={trained}", *WORDS[1:3]]
    with served(words, "mine", at_once=2) as url:
        assert is_up(url)
    assert not is_up(url)
    script = "import sys, time\nfrom vlm.endpoint.served import served\n" + (
        f"with served({words!r}, 'mine', 2) as url:\n    print(url, flush=True)\n    time.sleep(600)"
    )
    asker = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert asker.stdout
    url = asker.stdout.readline().strip()
    assert is_up(url)
    asker.kill()
    asker.wait()
    until(lambda: not is_up(url))
    with pytest.raises(ValueError, match=r"^the model cannot be served: \S+ has no run nowhere"):
        served(["run=nowhere"], "mine", at_once=2).__enter__()
