"""vlm diff: say in what two runs differ, at which step their trainings part, and why.

vlm diff FIRST SECOND [format=text|json] [WORDS]
    each a run's folder, or a run of the tracker by its id; WORDS say which tracker: tracking.uri=URI

  config     every value that differs, along the stages: those that enter the fingerprint, and the others
  data       the content of each source, and how many samples it has
  versions   of the code and of packages; devices; what changed when a run was resumed
  training   the first step at which samples, losses, gradients or learning rates part, and by how much;
             whether the first weights, and what was learned, are the same to the bit
  scores     of benchmarks that both have been asked
  cause      the likely one, in a line

Trainings are compared by trace.jsonl of each run's folder: steps 1 to 10, every trainer.log_every-th and the
last. A run need not be finished. Of runs that were trained before there were traces, all but their steps is
compared.

The exit status is 0 if nothing that could change weights differs and the traces agree, 1 if something does,
and 2 if a run cannot be read.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm.options import parse_options
from vlm.study.difference.between import compare_runs
from vlm.study.difference.describe import as_json, describe
from vlm.study.folders import find_folder

FORMATS = ("text", "json")


@dataclass
class Diff:
    """The words of `vlm diff` that are neither a run nor a tracker's."""

    format: str = "text"


def run(words: Sequence[str]) -> int:
    """Compare two runs.

    Raises:
        ValueError: There are not two, or one cannot be read.
    """
    named = [word for word in words if "=" not in word or Path(word).expanduser().is_dir()]
    said = [word for word in words if word not in named]
    options = parse_options(Diff, [word for word in said if word.startswith("format=")])
    if options.format not in FORMATS:
        raise ValueError(f"format={options.format} must be one of {', '.join(FORMATS)}")
    if len(named) != 2:
        raise ValueError(f"vlm diff compares two runs, got {len(named)}; say vlm diff FIRST SECOND")
    of_tracker = [word for word in said if not word.startswith("format=")]
    first, second = (find_folder(word, of_tracker, word) for word in named)
    difference = compare_runs(first, second)
    if options.format == "json":
        print(json.dumps(as_json(difference), indent=2, ensure_ascii=False))
    else:
        print(*describe(difference), sep="\n")
    return 0 if difference.is_alike else 1
