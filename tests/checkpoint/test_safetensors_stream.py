"""Files written tensor by tensor, read by the safetensors library."""

import json
import weakref
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from bitsft.checkpoint.safetensors_stream import write_safetensors

DTYPES = [
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float64,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]


def outline(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.to("meta") for name, tensor in tensors.items()}


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(0, 5), max_size=3)), max_size=6
    )
)
def test_the_library_reads_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, kinds: list[tuple[torch.dtype, list[int]]]
) -> None:
    folder = tmp_path_factory.mktemp("stream")
    tensors = {
        f"t{i}": (torch.randn(shape) * 9).to(dtype) for i, (dtype, shape) in enumerate(kinds)
    }
    write_safetensors(folder, outline(tensors), tensors.__getitem__)
    if not tensors:
        assert not (folder / "model.safetensors.index.json").exists()
        return
    found = load_file(folder / "model.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_the_bytes_are_those_of_the_library(tmp_path: Path) -> None:
    tensors = {"a.weight": torch.arange(6.0).reshape(2, 3)}
    write_safetensors(tmp_path, outline(tensors), tensors.__getitem__)
    save_file(tensors, tmp_path / "theirs", metadata={"format": "pt"})
    assert (tmp_path / "model.safetensors").read_bytes() == (tmp_path / "theirs").read_bytes()
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_shards_and_their_index(tmp_path: Path) -> None:
    tensors = {name: torch.full((25,), float(i)) for i, name in enumerate("abcde")}
    write_safetensors(tmp_path, outline(tensors), tensors.__getitem__, max_shard_size=200)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 500}
    assert index["weight_map"] == {
        "a": "model-00001-of-00003.safetensors",
        "b": "model-00001-of-00003.safetensors",
        "c": "model-00002-of-00003.safetensors",
        "d": "model-00002-of-00003.safetensors",
        "e": "model-00003-of-00003.safetensors",
    }
    found = {name: load_file(tmp_path / file)[name] for name, file in index["weight_map"].items()}
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        name: [float(i)] * 25 for i, name in enumerate("abcde")
    }


def test_one_tensor_at_a_time(tmp_path: Path) -> None:
    given_out: list[weakref.ref[torch.Tensor]] = []

    def read(name: str) -> torch.Tensor:
        alive = sum(reference() is not None for reference in given_out)
        assert alive <= 1, "the one before may not be collected yet, no more than that"
        tensor = torch.zeros(4)
        given_out.append(weakref.ref(tensor))
        return tensor

    write_safetensors(tmp_path, {n: torch.zeros(4, device="meta") for n in "abcdef"}, read)
    assert len(given_out) == 6


def test_a_tensor_that_is_not_as_announced(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"w is torch.float32 \(3,\) but was announced as .* \(2,\)"
    ):
        write_safetensors(tmp_path, {"w": torch.zeros(2, device="meta")}, lambda _: torch.zeros(3))


def test_a_dtype_that_the_format_lacks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="w: safetensors files hold no torch.complex64"):
        write_safetensors(
            tmp_path,
            {"w": torch.zeros(2, dtype=torch.complex64, device="meta")},
            lambda _: torch.zeros(2),
        )
    assert not list(tmp_path.iterdir())
