"""Cells are those that Hydra's sweeper would run, in its order."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.errors import HydraException

from vlm.study.prove.cells import expand

SWEEPS = (
    ["experiment=demo", "projector=glob(mlp*)", "seed=range(1,3)", "name='a, b'", "hydra.sweep.subdir=x"],
    ["experiment=demo", "+stage.last_blocks.encoder=2"],
    ["seed=1,2", "seed=3", "+template@mixture.ocr.template=v1,plain", "stage.image.grids=[[1,2],[2,1]]"],
)
HYDRAS = (
    "import json, sys\n"
    "import hydra\n"
    "import vlm.compose\n"
    "from hydra.core.hydra_config import HydraConfig\n"
    "from vlm.paths import config_dir\n"
    "def show(config):\n"
    "    print(json.dumps(list(HydraConfig.get().overrides.task)))\n"
    "for words in json.loads(sys.argv[1]):\n"
    "    sys.argv = ['vlm', *words, '--multirun']\n"
    "    hydra.main(version_base='1.3', config_path=str(config_dir()), config_name='config')(show)()\n"
)


def test_cells_are_hydras(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HYDRAS, json.dumps(SWEEPS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    jobs = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(jobs) == 4 + 2 + 2, ran.stderr
    assert [list(cell.words) for words in SWEEPS for cell in expand(words, multirun=True)] == jobs


def test_an_experiment_states_its_axes() -> None:
    cells = expand(["experiment=demo", "seed=2"], multirun=False)
    assert [cell.axes for cell in cells] == [{"projector": "linear"}, {"projector": "mlp2"}]
    assert [str(cell) for cell in cells] == ["projector=linear", "projector=mlp2"]
    assert all("seed=2" in cell.words for cell in cells)


def test_a_word_of_the_sweep_takes_the_place_of_an_axis() -> None:
    [cell] = expand(["experiment=demo", "projector=mlp4"], multirun=False)
    assert (set(cell.words), cell.axes) == ({"projector=mlp4", "experiment=demo"}, {})


def test_a_sentence_is_one_cell() -> None:
    [cell] = expand(["projector=linear"], multirun=False)
    assert (cell.words, cell.axes) == (("projector=linear",), {})


def test_added_sources_are_spelt_out() -> None:
    cells = expand(["+mixture.mine.shards=x.tar", "seed=1,2"], multirun=True)
    assert cells[1].words == ("+source@mixture.mine=new", "mixture.mine.shards=x.tar", "seed=2")


def test_wrong_words_are_refused() -> None:
    with pytest.raises(HydraException):
        expand(["projector=linear,mlp2", "sead=1"], multirun=True)
    with pytest.raises(ValueError, match=r"prove the sweep with hydra/sweeper=basic"):
        expand(["seed=1,2", "hydra.sweeper._target_=optuna.Sweeper"], multirun=True)
