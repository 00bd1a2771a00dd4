"""What the folders of a run keep of each of its stages; nothing heavy is needed to read it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf

from vlm.run.fingerprint import files_hash
from vlm.run.folder import RunFolder
from vlm.run.trace import Record, read_trace
from vlm.study.folders import folder_before


@dataclass(frozen=True)
class Kept:
    """One stage.

    Args:
        folder: Of it.
        config: Of the sentence that trained it last, without the stages before.
        identity: What its fingerprint is taken of.
        manifest: What came out; nothing, while it is not finished.
        record: Its trace; None if it was trained before there were any.
    """

    folder: RunFolder
    config: dict[str, Any]
    identity: dict[str, Any]
    manifest: dict[str, Any]
    record: Record | None

    @property
    def name(self) -> str:
        """As the stage's YAML says."""
        return str(self.config["stage"]["name"])

    @property
    def last_step(self) -> int | None:
        """Where it ended; None if it has not."""
        return self.manifest.get("steps")

    @property
    def sources(self) -> dict[str, dict[str, int]]:
        """Of each source, how many samples it has and how many an epoch draws; empty if nobody noted it."""
        return dict(self.record.starts[0]["sources"]) if self.record and self.record.starts else {}

    def weights(self) -> dict[str, str]:
        """Return the hash of what each part has learned; an adapter's file names no folder, nor its order."""
        learned = {
            name: part["sha256"] for name, part in self.manifest.get("parts", {}).items() if part["learned"]
        }
        adapters = {name: self.folder.weights / name / "adapter_model.safetensors" for name in learned}
        return learned | {name: files_hash(path) for name, path in adapters.items() if path.is_file()}


def read_lineage(folder: Path) -> list[Kept]:
    """Return the stages of a run, innermost first.

    Raises:
        ValueError: The folder is no run's, or nothing says what the run is; one before it is not beside it.
    """
    run = RunFolder(folder)
    if not run.config.is_file():
        raise ValueError(f"{folder} is no run's folder: it has no config.yaml; name one, or a tracker's run")
    config = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(run.config)))
    manifest = run.read_manifest() if run.is_finished else {}
    record = read_trace(run.trace)
    known = [manifest, *(record.starts if record else [])]
    identities = [found["identity"] for found in known if "identity" in found]
    if not identities:
        raise ValueError(
            f"{folder} is not finished and has no trace yet; say its words again to go on with it"
        )
    config["stage"] = {
        key: value for key, value in config["stage"].items() if key not in ("after", "mixture")
    }
    kept = Kept(run, config, identities[0], manifest, record)
    after = kept.identity["after"]
    return [*(read_lineage(folder_before(folder, after)) if after else []), kept]
