"""The shares of a data task, spread by one of Hydra's launchers over cores or nodes.

Hydra sees `part` and its own words only. Each share is a fresh `vlm data`, as each cell of a sweep is a fresh
`vlm train`; shares meet through the task's output, which must be on a disk that all of them see.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import cast

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

CONFIG = "shares"


def do_shares(task: str, words: Sequence[str]) -> int:
    """Do the shares that the word `part=1/4,2/4`, or `part=all/4`, names; return the worst exit status.

    Args:
        task: Of `vlm data`.
        words: Its own, and Hydra's.

    Raises:
        ValueError: No word says the shares.
    """
    words = [word for word in words if word not in ("-m", "--multirun")]
    own = [word for word in words if not word.startswith(("part=", "hydra.", "hydra/"))]
    theirs = [_listed(word) for word in words if word not in own]
    if not any(word.startswith("part=") for word in theirs):
        raise ValueError("-m spreads shares; say which, as in part=all/8 or part=1/8,2/8")
    ConfigStore.instance().store(CONFIG, {"part": "1/1", "words": [task, *own]})
    folder = Path(mkdtemp(prefix=".vlm-shares-", dir="."))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let errors through: the command line prints them in one line
    quiet = ["hydra.output_subdir=null", "hydra/job_logging=none", f"hydra.sweep.dir={folder}"]
    sys.argv = ["vlm", *quiet, *theirs, "--multirun"]
    hydra.main(version_base="1.3", config_path=None, config_name=CONFIG)(do_share)()
    worst = max((int(path.read_text()) for path in folder.glob("*/status")), default=1)
    if worst:
        print(f"logs of the shares: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return worst


def do_share(config: DictConfig) -> None:
    """Do one share in a fresh process, and keep its exit status."""
    words = OmegaConf.to_container(config.words, resolve=False)
    command = [sys.executable, "-m", "vlm", "data", *cast(list[str], words), f"part={config.part}"]
    status = subprocess.run(command).returncode
    (Path(HydraConfig.get().runtime.output_dir) / "status").write_text(str(abs(status)))  # a kill is negative


def _listed(word: str) -> str:
    """Return `part=all/3` as `part=1/3,2/3,3/3`."""
    found = re.fullmatch(r"part=all/(\d+)", word)
    return f"part={','.join(f'{i + 1}/{found[1]}' for i in range(int(found[1])))}" if found else word
