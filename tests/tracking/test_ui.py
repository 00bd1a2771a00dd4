"""MLflow's own page, in a browser: a sweep's cells, their charts, what they said of which picture.

The pictures of docs/compare.md are taken here: VLM_PICTURES=docs/pictures pytest tests/tracking/test_ui.py
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from mlflow import MlflowClient

from tests.browser import CHROMIUM, Browser
from vlm.cli import main
from vlm.compose import compose_sentence
from vlm.study.swept import Swept, axes_of, record_sweep

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")]

CELLS = [f"projector={projector} seed={seed}" for projector, seed in product(("linear", "mlp2"), (1, 2))]


@dataclass(frozen=True)
class Shown:
    """A server, and the sweep that it shows."""

    url: str
    client: MlflowClient
    swept: Swept
    experiment: str

    def view(self, key: str, mode: str) -> str:
        how = f"viewStateShareKey={key}&compareRunsMode={mode}&workflowType=machine_learning"
        return f"{self.url}/#/experiments/{self.experiment}/runs?{how}"

    def run(self, name: str, tab: str = "") -> str:
        """The page of a run."""
        [run] = self.client.search_runs([self.experiment], f"tags.`mlflow.runName` = '{name}'")
        page = f"{self.url}/#/experiments/{self.experiment}/runs/{run.info.run_id}{tab}"
        return f"{page}?workflowType=machine_learning"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ui")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """The address of a server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "server.txt").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_until_it_answers(server, f"http://127.0.0.1:{port}", folder / "server.txt")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def shown(url: str, folder: Path, data_folder: Path) -> Shown:
    """A small sweep, as `vlm train -m experiment=demo seed=1,2` makes it, but in one process."""
    said = ["experiment=demo", f"paths.data={data_folder}", f"paths.runs={folder}/runs"]
    said += [f"paths.cache={folder}/cache", f"tracking.uri={url}", "trainer.num_threads=1"]
    said += ["stage.batch_size=4", "stage.after.batch_size=4", "trainer.max_steps=8", "trainer.log_every=1"]
    said += ["evaluation.questions=20", "evaluation.table_size=6", "evaluation.controls=[blind]"]
    parsed = OverridesParser.create().parse_overrides([*said, "seed=1,2"])
    sentence = compose_sentence(said)
    swept = record_sweep(sentence, ["experiment=demo", "seed=1,2"], axes_of(sentence, parsed), None)
    sweep = folder / "runs/sweeps/demo"
    swept.write(sweep)
    for number, cell in enumerate(CELLS):
        assert main(["train", *said, *cell.split(), f"cell={sweep}/{number}", f"parent={swept.parent}"]) == 0
    assert main(["report", "name=demo", f"runs={folder}/runs", f"output={folder}/report"]) == 0
    client = MlflowClient(url)
    experiment = client.get_experiment_by_name("demo")
    assert experiment
    return Shown(url, client, swept, experiment.experiment_id)


def _wait_until_it_answers(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urlopen(f"{url}/health").close()
            return
        except URLError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)


@pytest.fixture(scope="module")
def browser(shown: Shown, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        browser.open(shown.url)
        assistant = "[data-component-id='mlflow.assistant.chat_panel.close']"  # opens at the first visit
        browser.wait_for(selector=assistant)
        browser.click(assistant)
        yield browser


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return Path(os.environ.get("VLM_PICTURES", tmp_path))


def test_the_address_of_a_sweep_shows_its_cells(shown: Shown, browser: Browser, pictures: Path) -> None:
    assert shown.swept.address
    browser.open(shown.swept.address)
    browser.wait_for(*CELLS)
    browser.wait_for("projector", "seed", "benchmark/shapes/accuracy", "benchmark/shapes/blind", "seconds")
    browser.screenshot(pictures / "scores.png")


def test_charts(shown: Shown, browser: Browser, pictures: Path) -> None:
    browser.open(shown.view("scores", "CHART"))
    browser.wait_for("demo: scores", *CELLS)
    browser.wait_for(selector=".js-plotly-plot svg .bars path")
    browser.screenshot(pictures / "charts.png")


def test_seeds_folded(shown: Shown, browser: Browser, pictures: Path) -> None:
    browser.open(shown.view("seeds", "TABLE"))
    browser.wait_for("Group: linear", "Group: mlp2", *CELLS)
    browser.screenshot(pictures / "seeds.png")


def test_curves(shown: Shown, browser: Browser, pictures: Path) -> None:
    browser.open(shown.view("curves", "CHART"))
    browser.wait_for("demo: curves", "train/loss")
    browser.wait_for(selector=".js-plotly-plot svg .scatterlayer path")
    browser.screenshot(pictures / "curves.png")


def test_what_a_cell_said_of_which_picture(shown: Shown, browser: Browser, pictures: Path) -> None:
    browser.open(shown.run(CELLS[0], "/artifacts/predictions/shapes.json"))
    browser.wait_for("question", "prediction", "What", "table_images")
    browser.wait_for(selector="img[src*='table_images']")
    browser.wait_until("[...document.querySelectorAll('img[src*=table_images]')].every(e => e.naturalWidth)")
    browser.screenshot(pictures / "predictions.png")


def test_a_sweep_says_its_question_and_keeps_its_report(
    shown: Shown, browser: Browser, pictures: Path
) -> None:
    browser.open(shown.run("demo"))
    browser.wait_for("Does a second linear layer in the connector", "vlm train -m experiment=demo seed=1,2")
    browser.open(shown.run("demo", "/artifacts/report.png"))
    browser.wait_for("report.md", "report.png")
    browser.screenshot(pictures / "report.png")


def test_without_a_view_runs_are_nested(shown: Shown, browser: Browser, pictures: Path) -> None:
    browser.open(f"{shown.url}/#/experiments/{shown.experiment}/runs?workflowType=machine_learning")
    expanders = "[data-component-id*='runnamecellrenderer']"
    browser.wait_for("demo", selector=".ag-row")
    browser.click(expanders)
    for cell in CELLS:
        browser.wait_for(cell, selector=".ag-row")
    browser.click(expanders, number=1)
    browser.wait_for("align", selector=".ag-row")
    browser.wait_for("instruct", selector=".ag-row")
    browser.screenshot(pictures / "nested.png")
