"""A judge behind an endpoint: replies in the order of the prompts, and what must be known of it."""

from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tests.endpoint.server import serving
from vlm.endpoint.request import Messages
from vlm.judge.chat import ChatJudge
from vlm.paths import config_dir

PROMPTS: list[Messages] = [[{"role": "user", "content": f"p{number}"}] for number in range(5)]


def judge(url: str, cache: Path, **changes: Any) -> ChatJudge:
    settings = {
        "model": "gpt-4", "temperature": 0.2, "max_tokens": 1024, "both_orders": False,
        "api_key_variable": None, "timeout_s": 10, "max_retries": 0, "concurrency": 3,
    }  # fmt: skip
    return ChatJudge(base_url=url, cache=str(cache), **settings | changes)


def test_replies_stand_in_the_order_of_the_prompts(tmp_path: Path) -> None:
    with serving(lambda prompt, before: "broken" if prompt == "p2" else "well") as server:
        made = judge(server.url, tmp_path)
        assert made.ask(PROMPTS) == ["echo p0", "echo p1", None, "echo p3", "echo p4"]
    assert all(body["temperature"] == 0.2 and body["max_tokens"] == 1024 for body in server.bodies)


def test_it_records_who_judged_by_what_and_how_much_failed(tmp_path: Path) -> None:
    with serving(lambda prompt, before: "broken" if prompt == "p2" else "well") as server:
        made = judge(server.url, tmp_path)
        made.ask(PROMPTS[:2])
        made.ask(PROMPTS[1:])
        record = made.record
        again = judge(server.url, tmp_path)
        again.ask(PROMPTS[:2])
        other = judge(server.url, tmp_path)
        other.ask(PROMPTS[1::-1])
    assert (record.model, record.served_models) == ("gpt-4", ("judge-0314",))
    assert (record.num_asked, record.num_from_cache, record.num_failed) == (6, 1, 1)
    assert again.record.num_from_cache == again.record.num_asked == 2
    assert len({record.prompts, again.record.prompts, other.record.prompts}) == 3
    fresh = judge(server.url, tmp_path)
    fresh.ask(PROMPTS[:2])
    assert fresh.record == again.record


def test_a_judge_that_answers_nothing_stops(tmp_path: Path) -> None:
    with serving(lambda prompt, before: "broken") as server:
        match = rf"gpt-4 at {server.url} answered none of 5 prompts; the last error: status 500"
        with pytest.raises(ValueError, match=match):
            judge(server.url, tmp_path).ask(PROMPTS)
    assert judge(server.url, tmp_path).ask([]) == []


def test_the_packaged_choices_are_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    node = OmegaConf.load(config_dir() / "judge/openai.yaml")
    node.cache = str(tmp_path)
    made = instantiate(node)
    assert isinstance(made, ChatJudge)
    assert not made.both_orders
    assert instantiate(OmegaConf.load(config_dir() / "judge/none.yaml")) is None
