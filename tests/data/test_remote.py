"""Shards that lie elsewhere: over HTTP and S3, from real servers, with connections that are cut."""

import errno
import http.server
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import boto3
import pytest
from moto.server import ThreadedMotoServer
from torch.utils.data import DataLoader

from tests.conftest import Compose
from tests.data.hub import serve
from vlm.build import build_model
from vlm.build_data import build_dataset
from vlm.data import remote
from vlm.data.index import index_path
from vlm.data.locate import RemoteShard, content_hash, find_shards
from vlm.data.remote import ShardCache
from vlm.data.shards import ShardSource

MIB = 2**20


class Flaky(http.server.SimpleHTTPRequestHandler):
    """A file server that cuts connections as often as it is told."""

    asked: ClassVar[Counter[str]] = Counter()
    cuts: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        name = Path(self.path).name
        self.asked[name] += 1
        if self.cuts[name]:
            self.cuts[name] -= 1
            whole = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[: len(whole) // 2])
            self.close_connection = True
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a copy of the shapes world's train split."""
    monkeypatch.setattr(remote, "FIRST_PAUSE", 0.01)
    shutil.copytree(data_folder / "shapes/train", tmp_path / "served")
    Flaky.asked.clear()
    Flaky.cuts.clear()
    handler = partial(Flaky, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture(scope="module")
def bucket(data_folder: Path) -> Iterator[str]:
    """A bucket of an S3-compatible server on loopback, with the train split."""
    known = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(known)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    client = boto3.client("s3")
    client.create_bucket(Bucket="shapes")
    for file in (data_folder / "shapes/train").iterdir():
        client.upload_file(str(file), "shapes", f"train/{file.name}")
    yield "s3://shapes/train"
    running.stop()
    for key in (*known, "AWS_ENDPOINT_URL"):
        del os.environ[key]


def test_a_step_from_elsewhere_is_the_one_from_here(
    server: str, compose: Compose, data_folder: Path, tmp_path: Path
) -> None:
    sets = []
    for place in (f"{data_folder}/shapes/train", server):
        shards = f"mixture.caption.shards='{place}/caption-{{000000..000000}}.tar'"
        config = compose("stage=align_shapes", "stage.after=null", shards)
        sets.append(build_dataset(config, build_model(config)))
    here, there = sets
    assert here[0].rows[0].keys == there[0].rows[0].keys
    [mine], [theirs] = here[1].rows, next(iter(DataLoader(there, None, sampler=[1], num_workers=1))).rows
    assert mine.ids.equal(theirs.ids)
    assert mine.tiles.equal(theirs.tiles)
    assert Flaky.asked["caption-000000.tar"] == 1


def test_cut_connections_are_taken_up_again(server: str, tmp_path: Path) -> None:
    Flaky.cuts.update({"ocr-000000.tar": 2, "ocr-000000.index.json": 1})
    [shard] = find_shards("x", f"{server}/ocr-000000.tar", ShardCache(tmp_path / "cache", 99 * MIB))
    source = ShardSource("ocr", [shard])
    assert source[0].turns
    assert shard.path().read_bytes() == (tmp_path / "served/ocr-000000.tar").read_bytes()
    assert Flaky.asked["ocr-000000.tar"] == 3


def test_a_server_that_never_answers_is_named(server: str, tmp_path: Path) -> None:
    shard = RemoteShard(f"{server}/ocr-000000.tar", ShardCache(tmp_path / "cache", 99 * MIB))
    shard.index()
    Flaky.cuts["ocr-000000.tar"] = 99
    with pytest.raises(ValueError, match=r"ocr-000000.tar cannot be read, at attempt 5: "):
        shard.path()
    assert not list(tmp_path.glob("cache/*/*.partial"))


def test_a_shard_that_is_not_there_is_named(server: str, tmp_path: Path) -> None:
    shard = RemoteShard(f"{server}/none.tar", ShardCache(tmp_path / "cache", 99 * MIB))
    with pytest.raises(ValueError, match=r"none.tar is not there; look for it, or name other shards"):
        shard.index()


def test_somebody_elses_tar_is_indexed_from_a_copy(server: str, tmp_path: Path) -> None:
    file = tmp_path / "served/ocr-000000.tar"
    beside = RemoteShard(f"{server}/ocr-000000.tar", ShardCache(tmp_path / "one", 99 * MIB)).index()
    index_path(file).unlink()
    shard = RemoteShard(f"{server}/ocr-000000.tar", ShardCache(tmp_path / "two", 99 * MIB))
    assert shard.index() == beside
    again = RemoteShard(f"{server}/ocr-000000.tar", ShardCache(tmp_path / "two", 99 * MIB))
    assert again.index() == beside
    assert Flaky.asked["ocr-000000.tar"] == 1


def test_a_shard_that_changed_is_read_anew(server: str, tmp_path: Path) -> None:
    url = f"{server}/ocr-000000.tar"
    before = content_hash([RemoteShard(url, ShardCache(tmp_path / "cache", 99 * MIB))])
    for kind in (".tar", ".index.json"):
        shutil.copy(tmp_path / f"served/count-000000{kind}", tmp_path / f"served/ocr-000000{kind}")
    assert content_hash([RemoteShard(url, ShardCache(tmp_path / "cache", 99 * MIB))]) != before


def test_the_longest_unread_make_room(server: str, tmp_path: Path) -> None:
    names = ["ocr", "count", "exist"]
    sizes = [(tmp_path / f"served/{name}-000000.tar").stat().st_size for name in names]
    cache = ShardCache(tmp_path / "cache", sum(sizes) - 1)
    shards = [RemoteShard(f"{server}/{name}-000000.tar", cache) for name in names]
    for age, shard in enumerate(shards[:2]):
        os.utime(shard.path(), (age, age))
    shards[0].path()  # read again: now `count` has gone unread the longest
    shards[2].path()
    held = {copy.stat().st_size for copy in tmp_path.glob("cache/*/shard.tar")}
    assert held == {sizes[0], sizes[2]}
    assert shards[1].path().stat().st_size == sizes[1]
    with pytest.raises(ValueError, match=r"GiB does not fit trainer.cache_gib=.*; raise it"):
        RemoteShard(f"{server}/ocr-000000.tar", ShardCache(tmp_path / "tiny", 10)).path()


def test_a_full_disk_is_named_and_leaves_nothing(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    shard = RemoteShard(f"{server}/ocr-000000.tar", ShardCache(tmp_path / "cache", 99 * MIB))
    shard.index()
    monkeypatch.setattr("vlm.data.remote.shutil.copyfileobj", full)
    with pytest.raises(ValueError, match=r"attempt 1: the disk of paths.cache is full; free some of it"):
        shard.path()
    assert not list(tmp_path.glob("cache/*/shard.*ar*"))


def test_an_unknown_protocol_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere://a.tar cannot be read: Protocol not known"):
        RemoteShard("nowhere://a.tar", ShardCache(tmp_path, MIB)).index()


def test_s3_is_read_with_globs_and_ranges(bucket: str, data_folder: Path, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path / "cache", 99 * MIB)
    local = find_shards("x", f"{data_folder}/shapes/train/*.tar")
    found = find_shards("x", f"{bucket}/*.tar", cache)
    assert [str(shard).rpartition("/")[2] for shard in found] == [shard.path().name for shard in local]
    assert content_hash(found) == content_hash(local)
    [ranged] = find_shards("x", f"{bucket}/ocr-{{000000..000000}}.tar", cache)
    source = ShardSource("x", [ranged])
    assert source[3] == ShardSource("x", find_shards("x", f"{data_folder}/shapes/train/ocr-*.tar"))[3]
    with pytest.raises(ValueError, match=r"x=s3://shapes/train/none-\*.tar matches no .tar file"):
        find_shards("x", f"{bucket}/none-*.tar", cache)


def test_the_hub_is_read_with_globs(data_folder: Path, tmp_path: Path) -> None:
    """In a process of its own: the hub's client reads its address when it is imported."""
    script = f"""
        from pathlib import Path
        from vlm.data.locate import content_hash, find_shards
        from vlm.data.remote import ShardCache
        from vlm.data.shards import ShardSource
        cache = ShardCache(Path({str(tmp_path)!r}), 2**27)
        found = find_shards("x", "hf://datasets/team/shapes/train/*.tar", cache)
        sample = ShardSource("x", found)[3]
        print(len(found), content_hash(found), sample.key, len(sample.images[0]))
    """
    local = find_shards("x", f"{data_folder}/shapes/train/*.tar")
    sample = ShardSource("x", local)[3]
    with serve(data_folder / "shapes") as address:
        environment = {**os.environ, "HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            env=environment, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = f"{len(local)} {content_hash(local)} {sample.key} {len(sample.images[0])}"
    assert done.stdout.splitlines()[-1] == expected


def test_patterns_keep_their_order_and_braces_must_close(data_folder: Path) -> None:
    train = f"{data_folder}/shapes/train"
    found = find_shards("x", [f"{train}/{{ocr,count}}-000000.tar", f"{train}/exist-*.tar"])
    assert [shard.path().name for shard in found] == [
        "ocr-000000.tar", "count-000000.tar", "exist-000000.tar",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="close its braces"):
        find_shards("x", "a-{0..3.tar")
    with pytest.raises(ValueError, match="must lie on this machine; copy it here"):
        find_shards("benchmark.shards", "s3://shapes/a.tar")
