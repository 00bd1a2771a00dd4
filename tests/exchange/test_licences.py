"""What licences ask for together."""

import re
from pathlib import Path

import pytest

from vlm.exchange.card import commercial_text, licence_text
from vlm.exchange.licences import KNOWN, Terms

CONF = Path(__file__).parents[2] / "conf"
STATED = sorted(
    {
        found.strip()
        for path in [*CONF.glob("encoder/*.yaml"), *CONF.glob("llm/*.yaml"), *CONF.glob("mixture/*.yaml")]
        for found in re.findall(r"licence: ([^}\n]+)", path.read_text())
    }
    - {"unknown"}
)


@pytest.mark.parametrize("text", STATED)
def test_every_licence_that_our_configs_state_is_known(text: str) -> None:
    terms = Terms.read({"it": text})
    assert not terms.unknown
    assert terms.found["it"]


def test_permissive_parts_may_be_sold() -> None:
    terms = Terms.read({"encoder": "MIT", "llm": "MIT", "data": "CC0-1.0"})
    assert not terms.against_commercial_use()
    assert terms.hub() == "mit"
    assert commercial_text(terms) == "**Commercial use:** no part forbids it."


def test_llama_2_asks_for_its_notice_and_sets_conditions() -> None:
    terms = Terms.read({"encoder": "MIT", "llm": "Llama 2 Community License"})
    asked = " ".join(terms.obligations())
    assert "Llama 2 is licensed under the LLAMA 2 Community License" in asked
    assert "Built with" not in asked  # that came with version 3
    assert "on these conditions" in commercial_text(terms)
    assert "700 million" in commercial_text(terms)
    assert terms.hub() == "other"


@pytest.mark.parametrize(
    ("text", "badge", "name"),
    [
        ("Llama 3 Community License", "Built with Meta Llama 3", '"Llama 3"'),
        ("Llama 3.1 Community License", '"Built with Llama"', '"Llama"'),
    ],
)
def test_later_llamas_ask_for_their_name(text: str, badge: str, name: str) -> None:
    terms = Terms.read({"llm": text})
    assert len(terms.found["llm"]) == 1
    asked = " ".join(terms.obligations())
    assert badge in asked
    assert f"begin its name with {name}" in asked


def test_llava_15s_mixture_cannot_be_called_commercial() -> None:
    terms = Terms.read(
        {
            "llm": "Llama 2 Community License",
            "data instruct/llava": "CC-BY-4.0 and OpenAI terms of use; COCO and Flickr terms",
            "data instruct/ocrvqa": "pictures of book covers, research use only",
            "data align/mine": "Frobnicate 2.0",
            "data align/nothing": None,
        }
    )
    against = terms.against_commercial_use()
    assert set(against) == {name for name in terms.of if name != "llm"}
    assert "is forbidden: it is for research only" in against["data instruct/ocrvqa"]
    assert 'not known: "Frobnicate 2.0"' in against["data align/mine"]
    assert 'not known: "unknown"' in against["data align/nothing"]
    text = licence_text(terms)
    assert "this card cannot say that it is allowed" in text
    assert "no part forbids it" not in text
    assert "do not use it to develop models that compete with OpenAI (data instruct/llava)" in text
    assert "name the authors" in text


@pytest.mark.parametrize("text", ["CC-BY-NC-4.0", "research only", "non-commercial use", "CC BY-NC-SA 4.0"])
def test_what_forbids_it_is_found(text: str) -> None:
    assert "forbidden" in Terms.read({"data": text}).against_commercial_use()["data"]


def test_attribution_is_not_what_share_alike_or_non_commercial_say() -> None:
    found = {text: [licence.name for licence in Terms.read({"x": text}).found["x"]] for text in (
        "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0",
    )}  # fmt: skip
    assert found == {"CC-BY-4.0": ["CC-BY"], "CC-BY-SA-4.0": ["CC-BY-SA"], "CC-BY-NC-4.0": ["CC-BY-NC"]}


def test_whoever_does_not_plainly_allow_it_says_why() -> None:
    for licence in KNOWN:
        assert bool(licence.because) == (licence.commercial.name != "allowed"), licence.name
