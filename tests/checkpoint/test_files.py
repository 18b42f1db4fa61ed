"""Safetensors folders, whole and broken in every way that the reader names."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from bitsft.checkpoint.files import open_checkpoint, read_config

TENSORS = {
    "a.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "b.weight": torch.tensor([[1, 2, 3, 4]], dtype=torch.uint8),
    "c.bias": torch.tensor([0.5, -2.0], dtype=torch.bfloat16),
    "scalar": torch.tensor(7, dtype=torch.int64),
    "empty": torch.empty(0, 3),
}


def sharded(folder: Path, *shards: dict[str, torch.Tensor]) -> list[Path]:
    """Shards with the index that describes them."""
    weight_map, files = {}, []
    for number, shard in enumerate(shards, 1):
        file = folder / f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file(shard, file)
        weight_map.update(dict.fromkeys(shard, file.name))
        files.append(file)
    write_index(folder, weight_map)
    return files


def write_index(folder: Path, weight_map: Any) -> None:
    text = json.dumps({"metadata": {}, "weight_map": weight_map})
    (folder / "model.safetensors.index.json").write_text(text)


def raw(path: Path, header: object, data: bytes = b"") -> None:
    """A file with just this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def entry(begin: int, end: int, dtype: str = "U8", shape: object = None) -> dict[str, object]:
    return {
        "dtype": dtype,
        "shape": [end - begin] if shape is None else shape,
        "data_offsets": [begin, end],
    }


def test_one_file(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "model.safetensors", metadata={"format": "pt"})
    files = open_checkpoint(tmp_path)
    assert sorted(files.names) == ["a.weight", "b.weight", "c.bias", "empty", "scalar"]
    assert files.shape("a.weight") == (2, 3)
    assert files.dtype("c.bias") == torch.bfloat16
    assert files.file_of("scalar") == tmp_path / "model.safetensors"
    assert files.total_bytes == 24 + 4 + 4 + 8
    assert "scalar" in files
    assert "other" not in files
    for name, tensor in TENSORS.items():
        read = files.read(name)
        assert read.dtype == tensor.dtype
        assert torch.equal(read, tensor)


def test_what_was_read_outlives_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.ones(4)}, path)
    read = open_checkpoint(tmp_path).read("a")
    path.write_bytes(b"")  # a memory map would end the process here
    assert read.tolist() == [1, 1, 1, 1]


def test_shards(tmp_path: Path) -> None:
    one, two = sharded(tmp_path, {"a": torch.zeros(3)}, {"b": torch.ones(2), "c": torch.ones(1)})
    save_file({"x": torch.zeros(1)}, tmp_path / "consolidated.safetensors")  # not a name of ours
    files = open_checkpoint(tmp_path)
    assert files.names == ["a", "b", "c"]
    assert [files.file_of(name) for name in files.names] == [one, two, two]
    assert files.read("b").tolist() == [1, 1]


@settings(max_examples=30, derandomize=True, deadline=None)
@given(data=st.data())
def test_any_tensors_come_back(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dtypes = [torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.uint8, torch.bool]
    shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
    drawn = data.draw(
        st.dictionaries(st.text(min_size=1), st.tuples(st.sampled_from(dtypes), shapes), min_size=1)
    )
    drawn.pop("__metadata__", None)
    tensors = {n: (torch.randn(s) * 100).to(d) for n, (d, s) in drawn.items()}
    folder = tmp_path_factory.mktemp("any")
    save_file(tensors, folder / "model.safetensors")
    files = open_checkpoint(folder)
    assert set(files.names) == set(tensors)
    for name, tensor in tensors.items():
        assert files.read(name).dtype == tensor.dtype
        assert files.shape(name) == tuple(tensor.shape)
        assert torch.equal(files.read(name), tensor)


def test_a_file_truncated_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"model\.safetensors is truncated.*Fetch the file"):
            open_checkpoint(tmp_path)


def test_a_file_truncated_names_the_tensor(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(4), "b": torch.zeros(4)}, path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        ValueError, match=f"tensor 'b' ends at byte {size}, but the file has {size - 1}"
    ):
        open_checkpoint(tmp_path)


def test_a_file_that_shrinks_after_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(4)}, path)
    files = open_checkpoint(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"model\.safetensors ends within tensor 'a'"):
        files.read("a")


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        (b'{"a": ', b"", "a header that is not JSON"),
        (b"\xff\xfe", b"", "a header that is not JSON"),
        (b"[" * 100_000, b"", "a header that is not JSON"),
        ([1, 2], b"", "not a JSON object"),
        (b'{"a": {}, "a": {}}', b"", "'a' stands in it twice"),
        ({"a": 3}, b"", "tensor 'a' has no dtype, shape and data_offsets"),
        ({"a": entry(0, 2, shape=[-2])}, b"..", r"tensor 'a' has shape \[-2\]"),
        ({"a": entry(0, 2, shape="2")}, b"..", "tensor 'a' has shape '2'"),
        ({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0]}}, b"..", r"data_offsets \[0\]"),
        ({"a": entry(0, 2, "F4")}, b"..", "tensor 'a' has dtype 'F4'; readable are F64, F32"),
        ({"a": entry(0, 2, "F32")}, b"..", r"'a' takes 2 bytes where torch.float32 \(2,\) needs 8"),
        ({"a": entry(0, 2), "b": entry(1, 3)}, b"...", "tensor 'b' overlaps the tensor before it"),
        ({"a": entry(0, 2), "b": entry(3, 4)}, b"....", "tensor 'b' leaves a gap"),
        ({"a": entry(0, 9)}, b"....", "tensor 'a' ends at byte"),
        ({"a": entry(0, 2)}, b"....", "has 2 bytes that belong to no tensor"),
    ],
)
def test_a_damaged_header(tmp_path: Path, header: object, data: bytes, message: str) -> None:
    raw(tmp_path / "model.safetensors", header, data)
    with pytest.raises(ValueError, match=rf"model\.safetensors.*{message}"):
        open_checkpoint(tmp_path)


def test_not_a_safetensors_file(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"PK\x03\x04" + bytes(range(200)))
    with pytest.raises(ValueError, match="does not begin as a safetensors file does"):
        open_checkpoint(tmp_path)


def test_a_pointer_of_git_lfs(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid 1")
    with pytest.raises(ValueError, match="pointer of Git LFS.*git lfs pull"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"neither model\.safetensors nor .*It holds: nothing"),
        (["notes.txt"], r"It holds: notes\.txt"),
        (["pytorch_model.bin", "x.txt"], r"but pytorch_model\.bin: pickle.*writes safetensors"),
        (["x.gguf"], r"but x\.gguf: a GGUF file is made for running"),
        (["adapter_config.json"], r"PEFT adapter.*PeftModel\.from_pretrained"),
        (["model-00001-of-00002.safetensors"], r"but no model\.safetensors\.index\.json"),
    ],
)
def test_no_weights(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=message):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "does not exist"),
        ("model.safetensors", "is a file; pass the folder"),
        ("x.gguf", "a GGUF file is made for running"),
    ],
)
def test_not_a_folder(tmp_path: Path, name: str, message: str) -> None:
    if name != "nothing":
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=message):
        open_checkpoint(tmp_path / name)


def remove_shard(folder: Path) -> None:
    (folder / "model-00002-of-00002.safetensors").unlink()


def take_a_tensor_away(folder: Path) -> None:
    save_file({"c": torch.zeros(1)}, folder / "model-00002-of-00002.safetensors")


def swap_two(folder: Path) -> None:
    one, two = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    write_index(folder, {"a": two, "b": one, "c": two})


def repeat_a_tensor(folder: Path) -> None:
    tensors = {"b": torch.zeros(1), "c": torch.zeros(1), "a": torch.zeros(3)}
    save_file(tensors, folder / "model-00002-of-00002.safetensors")


def add_a_tensor(folder: Path) -> None:
    tensors = {"b": torch.zeros(1), "c": torch.zeros(1), "d": torch.zeros(3)}
    save_file(tensors, folder / "model-00002-of-00002.safetensors")


def add_a_shard(folder: Path) -> None:
    save_file({"z": torch.zeros(1)}, folder / "model-00003-of-00003.safetensors")


def add_the_single_file(folder: Path) -> None:
    save_file({"z": torch.zeros(1)}, folder / "model.safetensors")


def index_is_no_json(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text("{")


def index_is_a_list(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text("[]")


def index_is_empty(folder: Path) -> None:
    write_index(folder, {})


def index_leads_elsewhere(folder: Path) -> None:
    write_index(folder, {"a": "../a.safetensors"})


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (
            remove_shard,
            FileNotFoundError,
            r"00002-of-00002\.safetensors is missing: .* puts 2 tensors there, 'b'",
        ),
        (take_a_tensor_away, ValueError, r"00002-of-00002\.safetensors lacks tensor 'b'"),
        (
            swap_two,
            ValueError,
            r"00001-of-00002\.safetensors holds tensor 'a', but .* puts it into model-00002",
        ),
        (
            repeat_a_tensor,
            ValueError,
            r"00002-of-00002\.safetensors holds tensor 'a', but model-00001-of-00002\.safetensors holds it, too",
        ),
        (
            add_a_tensor,
            ValueError,
            r"00002-of-00002\.safetensors holds tensor 'd', which .* does not name",
        ),
        (add_a_shard, ValueError, r"holds model-00003-of-00003\.safetensors, which .* not name"),
        (add_the_single_file, ValueError, r"holds model\.safetensors, which .* does not name"),
        (index_is_no_json, ValueError, r"index\.json is not JSON"),
        (index_is_a_list, ValueError, r"index\.json holds list instead of a JSON object"),
        (index_is_empty, ValueError, r"index\.json has no weight_map"),
        (index_leads_elsewhere, ValueError, r"'a' into '\.\./a\.safetensors', which is not"),
    ],
)
def test_index_and_shards_disagree(
    tmp_path: Path, damage: Callable[[Path], None], error: type[Exception], message: str
) -> None:
    sharded(tmp_path, {"a": torch.zeros(3)}, {"b": torch.zeros(1), "c": torch.zeros(1)})
    damage(tmp_path)
    with pytest.raises(error, match=message):
        open_checkpoint(tmp_path)


def test_a_single_file_among_shards_of_another_save(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    add_a_shard(tmp_path)
    with pytest.raises(
        ValueError, match=r"model-00003-of-00003\.safetensors\) but no model\.safet"
    ):
        open_checkpoint(tmp_path)


def test_config(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        read_config(tmp_path)
    path.write_text('{"a": ')
    with pytest.raises(ValueError, match=r"config\.json is not JSON"):
        read_config(tmp_path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"config\.json is not JSON"):
        read_config(tmp_path)
    path.write_text("3")
    with pytest.raises(ValueError, match=r"config\.json holds int instead of a JSON object"):
        read_config(tmp_path)
    path.write_text('{"model_type": "llama"}')
    assert read_config(tmp_path) == {"model_type": "llama"}
