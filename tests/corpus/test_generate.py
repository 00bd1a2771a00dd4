"""Sources that are made when they are first read, by the world's generator or by commands."""

from pathlib import Path

import pytest
from omegaconf import DictConfig

from tests.conftest import Compose
from vlm.cli import main
from vlm.corpus.generate import ensure_sources


def config_of(compose: Compose, folder: Path, *commands: str) -> DictConfig:
    """A sentence with one more source, which commands make in a folder."""
    lines = ",".join(f"'{line}'" for line in commands)
    return compose(
        f"+mixture.more.shards='{folder}/train/{{count,exist}}-*.tar'", f"+mixture.more.made_by=[{lines}]"
    )


def test_commands_make_a_source_that_is_not_there(compose: Compose, tmp_path: Path) -> None:
    command = f"data shapes output={tmp_path}/more scale=0.01"
    config = config_of(compose, tmp_path / "more", command)
    ensure_sources(config)
    assert not (tmp_path / "more").exists()  # that takes who is ready to wait
    ensure_sources(config, by_commands=True)
    (shard,) = (tmp_path / "more/train").glob("count-*.tar")
    made = shard.stat().st_mtime_ns
    ensure_sources(config, by_commands=True)
    assert shard.stat().st_mtime_ns == made


def test_where_a_sentence_keeps_things_its_commands_do_too(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], start_new_session: bool) -> None:
            said.append(command[3:])

        def send_signal(self, number: int) -> None:
            """Hear nothing."""

        def wait(self) -> int:
            return 0

    monkeypatch.setattr("vlm.corpus.generate.subprocess.Popen", Process)
    config = config_of(compose, tmp_path / "more", "data pack json=a", "train seed=2 name=teacher")
    ensure_sources(config, by_commands=True)
    assert said[0] == ["data", "pack", "json=a"]
    assert said[1][0] == "train"
    assert said[1][-2:] == ["seed=2", "name=teacher"]
    assert f"paths.runs={tmp_path}/runs" in said[1]
    assert f"paths.data={config.paths.data}" in said[1]


def test_a_command_that_fails_says_so(compose: Compose, tmp_path: Path) -> None:
    config = config_of(compose, tmp_path / "more", f"data shapes output={tmp_path}/more scale=none")
    with pytest.raises(ValueError, match=r"made_by: 'vlm data shapes .* ended with exit status 2"):
        ensure_sources(config, by_commands=True)


@pytest.mark.parametrize(
    ("made_by", "message"),
    [
        ("['report name=a']", "made_by must begin with one of data, synthesize, train, label"),
        ("circles", "made_by must be shapes, null, or a list of commands of vlm; got circles"),
    ],
)
def test_what_makes_no_data_is_refused(compose: Compose, tmp_path: Path, made_by: str, message: str) -> None:
    config = compose(f"+mixture.more.shards={tmp_path}/more-*.tar", f"+mixture.more.made_by={made_by}")
    with pytest.raises(ValueError, match=message):
        ensure_sources(config, by_commands=True)


def test_a_world_is_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "shapes", f"output={tmp_path}/world", "scale=0.01"]
    assert main(words) == 0
    made = (tmp_path / "world/manifest.json").stat().st_mtime_ns
    assert main(words) == 0
    assert (tmp_path / "world/manifest.json").stat().st_mtime_ns == made
    assert main([*words, "seed=8"]) == 2
    assert "world holds another world" in capsys.readouterr().err
