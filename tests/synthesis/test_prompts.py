"""What is sent, and that our own examples are as good as what they ask for."""

from pathlib import Path

import pytest

from vlm.endpoint.reply import Completion
from vlm.synthesis.contexts import Box, Context
from vlm.synthesis.filters import Wanted, fault_of_text, sift_turns
from vlm.synthesis.prompts import FEW_SHOT, FOLDERS, load_prompt
from vlm.synthesis.replies import read_reply

CONTEXT = Context("1", "1.jpg", ("A dog.", "A dog runs."), (Box("dog", (0.1, 0.2, 0.3, 0.4)),))


@pytest.mark.parametrize(("kind", "shots"), [("conversation", 2), ("detail", 3), ("reasoning", 3)])
def test_messages_are_laid_out_as_llavas(kind: str, shots: int) -> None:
    messages = load_prompt(FEW_SHOT, kind).messages(CONTEXT)
    assert [message["role"] for message in messages] == ["system", *["user", "assistant"] * shots, "user"]
    assert messages[-1]["content"] == "A dog.\nA dog runs." + (
        "" if kind == "conversation" else "\n\ndog: [0.1, 0.2, 0.3, 0.4]"
    )
    with_boxes = [": [0." in message["content"] for message in messages[1:-1:2]]
    assert with_boxes == [kind != "conversation"] * shots
    assert all(isinstance(message["content"], str) for message in messages)  # never a picture
    assert "1.jpg" not in str(messages)
    assert len(load_prompt(FEW_SHOT, kind, 1).messages(CONTEXT)) == 4


@pytest.mark.parametrize("shots", [0, 1])
def test_a_model_without_system_messages_reads_it_with_the_first_question(shots: int) -> None:
    usual = load_prompt(FEW_SHOT, "detail", shots).messages(CONTEXT)
    messages = load_prompt(FEW_SHOT, "detail", shots, system_role=False).messages(CONTEXT)
    assert [message["role"] for message in messages] == [message["role"] for message in usual[1:]]
    assert messages[0]["content"] == f"{usual[0]['content']}\n\n{usual[1]['content']}"
    assert list(messages[1:]) == list(usual[2:])


@pytest.mark.parametrize("kind", FOLDERS)
def test_our_examples_pass_our_own_filters(kind: str) -> None:
    examples = load_prompt(FEW_SHOT, kind).examples
    assert examples
    for _, reply in examples:
        turns = read_reply(kind, Completion(reply, "", "stop", 0, 0))
        kept, faults = sift_turns(turns)
        assert (kept, dict(faults)) == (turns, {})
        assert fault_of_text(turns, Wanted()) is None
        assert len(turns) == 1 or (kind == "conversation" and len(turns) >= 5)


def test_other_prompts_can_be_given(tmp_path: Path) -> None:
    own = tmp_path / "conversation"
    own.mkdir()
    with pytest.raises(ValueError, match=r"system_message.txt cannot be read; a kind's folder has"):
        load_prompt(tmp_path, "conversation")
    (own / "system_message.txt").write_text(" Speak. \n")
    assert [message["content"] for message in load_prompt(tmp_path, "conversation").messages(CONTEXT)] == [
        "Speak.", "A dog.\nA dog runs.",
    ]  # fmt: skip
    before = load_prompt(tmp_path, "conversation").digest
    (own / "000_caps.txt").write_text("A cat.")
    with pytest.raises(ValueError, match=r"000_conv.txt cannot be read"):
        load_prompt(tmp_path, "conversation")
    (own / "000_conv.txt").write_text("It is a cat.")
    assert load_prompt(tmp_path, "conversation").digest != before
    with pytest.raises(
        ValueError, match="kinds=poem is none; choose some of conversation, detail, reasoning"
    ):
        load_prompt(tmp_path, "poem")
