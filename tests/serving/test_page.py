"""The page, in Debian's chromium."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import CHROMIUM, Browser
from tests.serving.conftest import Running, data_url
from vlm.data.sample import Prompt
from vlm.model.generate import Answerer
from vlm.serving.served import Served

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
SHOTS = os.environ.get("VLM_TEST_SCREENSHOTS")
"""A folder to keep pictures of the page in."""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "profile", 1200, 900) as browser:
        yield browser


def shoot(browser: Browser, name: str) -> None:
    if SHOTS:
        browser.screenshot(Path(SHOTS) / f"{name}.png")


def drop(browser: Browser, url: str, event: str) -> None:
    """Give the page a picture, as a mouse or a keyboard does."""
    browser.evaluate(
        f"""(async () => {{
            const bytes = await (await (async () => {{
                const data = atob({url.split(",")[1]!r});
                return Uint8Array.from(data, (letter) => letter.charCodeAt(0));
            }})());
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "picture.png", {{ type: "image/png" }}));
            const event = {event!r} === "drop"
                ? new DragEvent("drop", {{ dataTransfer: transfer, bubbles: true }})
                : new ClipboardEvent("paste", {{ clipboardData: transfer, bubbles: true }});
            document.body.dispatchEvent(event);
        }})()"""
    )


def send(browser: Browser, text: str) -> None:
    browser.evaluate(f"document.getElementById('text').value = {text!r}")
    browser.click("#send")


def test_two_models_answer_side_by_side_and_show_where_they_looked(
    server: Running, browser: Browser, prompts: list[Prompt], alone: list[str], answerer: Answerer
) -> None:
    service = server.service
    other = Served("other", answerer, service.settings)
    service.models["other"] = other
    try:
        browser.open(server.url)
        browser.wait_for("tiny", selector="#model option")
        browser.wait_for("other", selector="#against option")
        drop(browser, data_url(prompts[0].images[0]), "drop")
        browser.wait_for(selector="#pictures img")
        send(browser, prompts[0].text.removeprefix("<image>\n"))
        browser.wait_for("tiny", alone[0], "tokens read", selector=".answer")
        browser.wait_for("other", alone[0], "tokens read", selector=".answer")
        assert browser.evaluate("document.querySelectorAll('#pictures img').length") == 0
        browser.click(".foot button")
        browser.wait_for("of attention is on picture 1", selector="figcaption")
        assert browser.evaluate(
            "(() => { const c = document.querySelector('figure canvas'); const d = c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data; return new Set(d).size > 20 && c.width > 100 })()"
        )
        shoot(browser, "beside")
        drop(browser, data_url(prompts[1].images[0]), "paste")
        browser.wait_for(selector="#pictures img")
        send(browser, "And here?")
        browser.wait_for("tokens read", selector=".turn:nth-of-type(2) .answer:nth-of-type(2)")
        size = "({width: document.documentElement.scrollWidth, view: innerWidth})"
        found = browser.evaluate(size)
        assert found["width"] <= found["view"]
    finally:
        del service.models["other"]
        other.engine.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_whole(
    scheme: str, server: Running, tmp_path: Path, prompts: list[Prompt], alone: list[str]
) -> None:
    with Browser(tmp_path / "profile", 390, 844) as browser:
        browser._do(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        browser.open(server.url)
        browser.wait_for("tiny", selector="#model option")
        shoot(browser, f"{scheme}-welcome")
        drop(browser, data_url(prompts[2].images[0]), "paste")
        browser.wait_for(selector="#pictures img")
        send(browser, prompts[2].text.removeprefix("<image>\n"))
        browser.wait_for(alone[2], "tokens read", selector=".answer")
        browser.click(".foot button")
        browser.wait_for("of attention", selector="figcaption")
        shoot(browser, f"{scheme}-phone")
        assert browser.evaluate("document.documentElement.scrollWidth") <= 390
        ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (int(ground.split("(")[1].split(",")[0]) < 100) == (scheme == "dark")
        labels = browser.evaluate(
            "[...document.querySelectorAll('input, select, textarea, button')].filter(e => e.offsetParent && "
            "!(e.labels?.length || e.ariaLabel || e.innerText)).map(e => e.outerHTML)"
        )
        assert labels == []


def test_errors_are_said_and_the_conversation_goes_on(
    server: Running, browser: Browser, prompts: list[Prompt]
) -> None:
    browser.open(server.url)
    browser.wait_for("tiny", selector="#model option")
    send(browser, "why? " * 3000)
    browser.wait_for("tokens, pictures included", selector=".wrong")
    send(browser, "Hello")
    browser.wait_for("tokens read", selector=".turn:nth-of-type(2) .answer")
    browser.click("#reset")
    assert browser.evaluate("document.querySelectorAll('.turn').length") == 0
