"""Indexes: exact, and suspicious of files that are not what they were."""

import tarfile
from pathlib import Path

import pytest

from vlm.data.index import index_path, read_index, write_index
from vlm.data.locate import LocalShard, content_hash, find_shards
from vlm.data.shards import ShardSource


def test_a_sample_is_read_by_its_number_as_tarfile_reads_it(data_folder: Path) -> None:
    shards = find_shards("x", f"{data_folder}/shapes/train/*.tar")
    source = ShardSource("all", shards)
    assert len(source) == sum(source.shard_sizes) > 100
    number = 0
    for shard in shards:
        with tarfile.open(shard.path()) as tar:
            members = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
        for name in (name for name in members if name.endswith(".json")):
            key, files = source.read(number)
            assert files["json"] == members[name]
            assert files["jpg"] == members[f"{key}.jpg"]
            assert source[number].images == (files["jpg"],)
            number += 1
    assert number == len(source)


def test_a_file_that_is_no_tar_is_named(tmp_path: Path) -> None:
    shard = tmp_path / "text.tar"
    shard.write_text("not a tar" * 100)
    with pytest.raises(ValueError, match=r"text.tar is not a tar.*vlm data pack"):
        write_index(shard)
    assert not index_path(shard).exists()


def test_a_tar_that_is_cut_off_is_named(tmp_path: Path, data_folder: Path) -> None:
    whole = next((data_folder / "shapes/train").glob("caption-*.tar")).read_bytes()
    shard = tmp_path / "cut.tar"
    shard.write_bytes(whole[: len(whole) // 2 + 100])
    with pytest.raises(ValueError, match=r"cut.tar"):
        write_index(shard)


def test_an_empty_tar_is_named(tmp_path: Path) -> None:
    shard = tmp_path / "empty.tar"
    tarfile.open(shard, "w").close()
    with pytest.raises(ValueError, match="holds no sample"):
        write_index(shard)


def test_a_tar_that_changed_since_is_named(tmp_path: Path, data_folder: Path) -> None:
    shard = tmp_path / "grown.tar"
    shard.write_bytes(next((data_folder / "shapes/train").glob("caption-*.tar")).read_bytes())
    with pytest.raises(ValueError, match="has no index; run: vlm data index"):
        read_index(shard)
    write_index(shard)
    shard.write_bytes(shard.read_bytes() + b"0" * 512)
    with pytest.raises(ValueError, match="not the file that its index describes"):
        read_index(shard)


def test_the_content_hash_depends_on_bytes_and_not_on_names(tmp_path: Path, data_folder: Path) -> None:
    original = next((data_folder / "shapes/train").glob("caption-*.tar"))
    copy = tmp_path / "other-name.tar"
    copy.write_bytes(original.read_bytes())
    write_index(copy)
    assert content_hash([LocalShard(copy)]) == content_hash([LocalShard(original)])
    other = next((data_folder / "shapes/train").glob("count-*.tar"))
    assert content_hash([LocalShard(other)]) != content_hash([LocalShard(original)])
