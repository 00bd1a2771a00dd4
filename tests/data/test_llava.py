"""Templates are LLaVA's to the character; `legacy=llava` gives its tokens and labels, bit for bit."""

import json

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from tests.conftest import SHARED, Compose
from vlm.data.llava import HeadedTemplate, gather_images
from vlm.data.sample import Turn
from vlm.data.template import PlainTemplate, Template
from vlm.data.tokens import IGNORE_ID, IMAGE_ID, Tokens, encode
from vlm.llm.causal import CausalLM
from vlm.paths import assets_dir

TURNS = [Turn("human", "<image>\nQ1"), Turn("gpt", "A1"), Turn("human", "Q2"), Turn("gpt", "A2")]
real = pytest.mark.skipif(not (SHARED / "golden").is_dir(), reason="needs LLaVA's own results")


def template(compose: Compose, choice: str, *words: str) -> Template:
    config = compose(f"+template@stage.template={choice}", "stage.after=null", *words)
    return instantiate(OmegaConf.to_container(config.stage.template))


def text(of: Template, turns: list[Turn] = TURNS) -> str:
    return "".join(span.text for span in of.render(turns))


def learned(of: Template, turns: list[Turn] = TURNS) -> list[str]:
    return [span.text for span in of.render(turns) if span.supervised]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    """Llama's tokenizer as LLaVA loads it: sentencepiece's model alone, not legacy, padded with unk."""
    folder = tmp_path_factory.mktemp("llama")
    (folder / "tokenizer.model").write_bytes((SHARED / "tokenizers/llama2.model").read_bytes())
    settings = {"tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    llm = CausalLM(str(folder), "random", {"model_type": "llama"}, PlainTemplate("\n"), "<unk>", 2048, "MIT")
    return llm.tokenizer


@pytest.mark.parametrize(
    ("choice", "opening", "conversation"),
    [
        (
            "v1",
            "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
            "helpful, detailed, and polite answers to the user's questions. ",
            "USER: <image>\nQ1 ASSISTANT: A1</s>USER: Q2 ASSISTANT: A2</s>",
        ),
        (
            "llava_v1",
            "A chat between a curious human and an artificial intelligence assistant. The assistant gives "
            "helpful, detailed, and polite answers to the human's questions. ",
            "USER: <image>\nQ1 ASSISTANT: A1</s>USER: Q2 ASSISTANT: A2</s>",
        ),
        (
            "v0",
            "A chat between a curious human and an artificial intelligence assistant. The assistant gives "
            "helpful, detailed, and polite answers to the human's questions.\n\n",
            "### Human: <image>\nQ1\n### Assistant: A1\n### Human: Q2\n### Assistant: A2\n### ",
        ),
        (
            "llava_llama_2",
            "[INST] <<SYS>>\nYou are a helpful language and vision assistant. You are able to understand the "
            "visual content that the user provides, and assist the user with a variety of tasks using "
            "natural language.\n<</SYS>>\n\n",
            "<image>\nQ1 [/INST] A1 </s><s>[INST] Q2 [/INST] A2 </s>",
        ),
        ("mistral", "", "[INST] <image>\nQ1 [/INST] A1 </s>[INST] Q2 [/INST] A2 </s>"),
        (
            "mpt",
            "<|im_start|>system\nA conversation between a user and an LLM-based AI assistant. "
            "The assistant gives helpful and honest answers.<|im_end|>",
            "<|im_start|>user\n<image>\nQ1<|im_end|><|im_start|>assistant\nA1<|im_end|>"
            "<|im_start|>user\nQ2<|im_end|><|im_start|>assistant\nA2<|im_end|>",
        ),
        (
            "chatml",
            "<|im_start|>system\nAnswer the questions.<|im_end|>",
            "<|im_start|>user\n<image>\nQ1<|im_end|><|im_start|>assistant\nA1<|im_end|>"
            "<|im_start|>user\nQ2<|im_end|><|im_start|>assistant\nA2<|im_end|>",
        ),
    ],
)  # fmt: skip
def test_the_text_is_llavas(choice: str, opening: str, conversation: str, compose: Compose) -> None:
    rendered = template(compose, choice)
    assert text(rendered) == opening + conversation
    prompt = rendered.prompt(TURNS[:1])
    assert (opening + conversation).startswith(prompt)
    assert not prompt.endswith(" ")
    assert (opening + conversation).removeprefix(prompt).lstrip().startswith("A1")


def test_the_double_space_of_metas_system_text_is_kept(compose: Compose) -> None:
    opening = text(template(compose, "llama_2"))
    assert opening.startswith("[INST] <<SYS>>\nYou are a helpful, respectful and honest assistant. ")
    assert "while being safe.  Your answers" in opening
    assert "positive in nature.\n\nIf a question does not make any sense" in opening
    assert "share false information.\n<</SYS>>\n\n<image>\nQ1 [/INST] A1 </s><s>[INST] Q2" in opening


def test_the_first_template_learns_its_marks_too(compose: Compose) -> None:
    v0 = template(compose, "v0")
    assert isinstance(v0, HeadedTemplate)
    answers = ["Assistant: A1\n", "Assistant: A2\n"]
    assert learned(v0) == ["### ", "### ", answers[0], "### ", "### ", answers[1], "### "]


@real
@pytest.mark.parametrize("case", ["llama-spm", "gpt-2"])
def test_tokenizers_are_their_upstreams(case: str, llama: PreTrainedTokenizerBase) -> None:
    gpt2 = PreTrainedTokenizerFast(tokenizer_file=str(SHARED / "tokenizers/gpt2_tokenizer.json"))
    tokenizer = {"llama-spm": llama, "gpt-2": gpt2}[case]
    folder = SHARED / "tokenizers/cases"
    texts = (folder / f"{case}.inp").read_text().split("\n__ggml_vocab_test__\n")
    expected = [[int(n) for n in line.split()] for line in (folder / f"{case}.out").read_text().split("\n")]
    assert [encode(text, tokenizer)[0] for text in texts] == expected[: len(texts)]


def golden() -> list[dict[str, object]]:
    path = SHARED / "golden/llava_preprocess.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def tokens(record: dict, compose: Compose, tokenizer: PreTrainedTokenizerBase, *words: str) -> Tokens:
    turns = [Turn(turn["from"], turn["value"]) for turn in record["conversations"]]
    return template(compose, record["template"], *words).tokens(turns, tokenizer)


@real
def test_legacy_tokens_and_labels_are_llavas_bit_for_bit(
    compose: Compose, llama: PreTrainedTokenizerBase
) -> None:
    records = golden()
    assert len(records) == 54
    for record in records:
        words = [] if record["template"] == "plain" else ["stage.template.legacy=llava"]
        made = tokens(record, compose, llama, *words)
        assert made.ids == record["input_ids"], record["id"]
        assert made.labels == record["labels"], record["id"]


TINY = AutoTokenizer.from_pretrained(assets_dir() / "tiny_llama")


def legacy(compose: Compose, choice: str, turns: list[Turn] = TURNS) -> Tokens:
    return template(compose, choice, "stage.template.legacy=llava").tokens(turns, TINY)


def test_a_count_that_does_not_add_up_leaves_nothing_to_learn(compose: Compose) -> None:
    """Spans learn such an answer; LLaVA drops the whole conversation."""
    turns = [*TURNS[:3], Turn("gpt", "say ASSISTANT: red")]
    assert set(legacy(compose, "v1", turns).labels) == {IGNORE_ID}
    by_spans = template(compose, "v1").tokens(turns, TINY)
    assert "ASSISTANT: red</s>" in TINY.decode([label for label in by_spans.labels if label != IGNORE_ID])


def test_llavas_chatml_counts_right_for_no_tokenizer_that_puts_a_bos(compose: Compose) -> None:
    assert set(legacy(compose, "mpt").labels) == {IGNORE_ID}
    assert set(template(compose, "mpt").tokens(TURNS, TINY).labels) != {IGNORE_ID}


def test_the_first_template_masks_headers_and_questions_but_two_tokens(compose: Compose) -> None:
    made = legacy(compose, "v0", [Turn("human", "Q"), Turn("gpt", "A")])
    header = len(TINY(v0_header(compose))["input_ids"])
    question = len(TINY("### Human: Q\n")["input_ids"])
    learned = [label != IGNORE_ID for label in made.labels]
    assert learned[: header + question] == [False] * header + [True] * 2 + [False] * (question - 2)
    assert all(learned[header + question :])


def v0_header(compose: Compose) -> str:
    return template(compose, "v0").render(TURNS)[0].text


def test_pictures_are_gathered_at_the_front_of_their_turn(compose: Compose) -> None:
    turns = [Turn("human", "What is <image> and\n<image>"), Turn("gpt", "A")]
    assert legacy(compose, "v1", turns).ids.count(IMAGE_ID) == 1
    assert gather_images(turns)[0].text == "<image>\nWhat is  and"
    assert gather_images([Turn("human", "<image>")])[0].text == "<image>"


def test_a_leading_answer_is_dropped_and_long_text_cut(compose: Compose) -> None:
    assert legacy(compose, "v1", [Turn("gpt", "Hi"), *TURNS]) == legacy(compose, "v1")
    short = AutoTokenizer.from_pretrained(assets_dir() / "tiny_llama", model_max_length=20)
    turns = [Turn("human", "Q"), Turn("gpt", "A")]
    cut = template(compose, "v1", "stage.template.legacy=llava").tokens(turns, short)
    assert len(cut.ids) == len(cut.labels) == 20


def test_another_legacy_is_refused(compose: Compose) -> None:
    with pytest.raises(InstantiationException, match=r"template.legacy must be null or llava, got mine"):
        template(compose, "v1", "stage.template.legacy=mine")
