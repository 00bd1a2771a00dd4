"""The words of `vlm synthesize`, and its way through files."""

import json
from pathlib import Path

import pytest

from tests.synthesis.making import answer_well, name_of, read_account, synthesize, write_source

URL = "http://localhost:1/v1"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["kinds=[detail,poem]"], "kinds=poem is none; choose some of conversation, detail, reasoning"),
        (["kinds=[]"], "must name at least one kind"),
        (["kinds=[detail,detail]"], "each once"),
        (["concurrency=0"], "concurrency must be at least 1"),
        (["timeout_s=0"], "timeout_s must be above 0"),
        (["limit=0"], "limit must be at least 1"),
        (["budget=3"], "budget=3.0 needs input_price= and output_price="),
        (["budget=3", "input_price=1", "max_tokens=null"], "needs max_tokens="),
        (["budget=3", "input_price=1", "requests=r"], "budget=3.0 has no effect"),
        (["requests=r", "replies=s"], "say one of both"),
        (["replies=nowhere/*"], "replies=nowhere/* names no file"),
        (["format=xml"], "format=xml is none; choose one of coco, shapes, json"),
        (["source=nowhere"], "source=nowhere is not there"),
        (["images=nowhere"], "images=nowhere is no folder"),
        (["boxes=b.json"], "boxes=b.json goes with format=coco only"),
        (["max_overlap=0"], "max_overlap must be above 0"),
        (["max_distance=99"], "max_distance must be from 0 to 16"),
        (["language=xx"], "language must be en or any"),
        (["show=-1"], "show must be at least 0"),
        (["requests_per_minute=0"], "requests_per_minute must be above 0"),
        (["prompts=nowhere"], "nowhere/conversation/system_message.txt cannot be read"),
        (["api_key_variable=NO_SUCH"], "environment variable NO_SUCH is not set"),
        (["run=a"], "say who is asked: model=NAME, at base_url=, or run=MODEL, of ours; one of both"),
        (["model=null", "run=a"], "run=a is served here; base_url=, requests= and replies= are for others"),
        (["colour=red"], "'colour=red' is no option"),
    ],
)
def test_wrong_words_are_named_before_anything_is_asked(
    words: list[str], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_source(tmp_path / "source", 1)
    assert synthesize(URL, tmp_path, *source, *words) == 2
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1
    assert not (tmp_path / "made").exists()


def answers(path: Path, broken: int) -> None:
    """What an endpoint makes of a batch, in another order; the first few fail."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    replies = []
    for number, row in enumerate(rows):
        choice = {"message": {"content": answer_well(name_of(row["body"]))}, "finish_reason": "stop"}
        body = {"model": "m-1", "choices": [choice], "created": 1_700_000_000}
        body["usage"] = {"prompt_tokens": 5, "completion_tokens": 6}
        response = {"status_code": 500 if number < broken else 200, "body": body}
        replies.append(json.dumps({"custom_id": row["custom_id"], "response": response, "error": None}))
    path.with_name(f"answers-{path.name}").write_text("\n".join(reversed(replies)))


def test_a_set_is_made_through_batch_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = write_source(tmp_path / "source", 4)
    assert synthesize(URL, tmp_path, *words, f"requests={tmp_path}/batch") == 0
    assert "12 requests have no reply yet" in capsys.readouterr().out
    assert not (tmp_path / "made").exists()
    answers(tmp_path / "batch/requests-000000.jsonl", broken=2)
    assert synthesize(URL, tmp_path, *words, f"replies={tmp_path}/batch/answers-*.jsonl") == 1
    said = capsys.readouterr().out
    assert "10 replies read from 1 files" in said
    tallies = read_account(tmp_path)["kinds"]
    assert sum(tally["failed"] for tally in tallies.values()) == 2
    assert sum(tally["accepted"] for tally in tallies.values()) == 10
    assert synthesize(URL, tmp_path, *words, f"requests={tmp_path}/second") == 0
    assert "2 requests have no reply yet" in capsys.readouterr().out
    answers(tmp_path / "second/requests-000000.jsonl", broken=0)
    assert synthesize(URL, tmp_path, *words, f"replies={tmp_path}/second/answers-*.jsonl") == 0
    records = json.loads((tmp_path / "made/llava.json").read_text())
    assert len(records) == 12
    assert {record["provenance"]["model"] for record in records} == {"m-1"}
    assert {record["provenance"]["date"] for record in records} == {"2023-11-14T22:13:20+00:00"}
