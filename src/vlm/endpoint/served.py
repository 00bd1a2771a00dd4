"""A model of ours, served beside for as long as it is asked."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

_SERVING = re.compile(r"^serving .* on (?P<url>http\S+)$")


@contextmanager
def served(words: Sequence[str], name: str, at_once: int) -> Iterator[str]:
    """Run `vlm serve` in a process of its own, which ends with this block, or when this process is killed.

    Args:
        words: That name the model.
        name: That requests call it by.
        at_once: Answers that are written at once.

    Yields:
        The base URL of the endpoint.

    Raises:
        ValueError: It does not start.
    """
    own = [f"names={name}", "port=0", f"at_once={at_once}", "queue=1024", "ends_with_parent=true"]
    command = [sys.executable, "-m", "vlm", "serve", *words, *own]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
        try:
            yield f"{_address(process, log)}/v1"
        finally:
            process.terminate()
            process.communicate()


def _address(process: "subprocess.Popen[str]", log: IO[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := _SERVING.match(line.strip()):
            return found["url"]
    process.wait()
    log.seek(0)
    said = log.read().strip().splitlines() or [f"exit status {process.returncode}"]
    raise ValueError(f"the model cannot be served: {said[-1].removeprefix('vlm: error: ')}")
