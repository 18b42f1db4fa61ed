"""Exports from a folder, tensor by tensor, equal exports of the loaded model."""

import logging
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bitsft.checkpoint import load_ternary, save_ternary
from bitsft.checkpoint.save import SAFETENSORS_FORMATS
from bitsft.checkpoint.source import source_from_model
from bitsft.checkpoint.source_folder import source_from_folder
from tests.checkpoint.tiny_checkpoints import OFFLINE
from tests.checkpoint.tiny_checkpoints import save as write_form
from tests.checkpoint.tiny_models import MODELS, logits, shaken, ternary_model

FORMATS = list(SAFETENSORS_FORMATS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("folders")
    model = ternary_model("llama, tied")
    for format in ("transformers", "latent", "dense"):
        dtype = torch.float32 if format == "dense" else None
        save_ternary(model, root / format, format, dtype=dtype)  # type: ignore[arg-type]
    torch.manual_seed(0)
    shaken(MODELS["llama, tied"]()).save_pretrained(root / "full precision")
    biased = ternary_model("qwen2, biases")
    write_form(biased, root / "autobitlinear", OFFLINE, divide=False, scale_dtype=torch.bfloat16)
    return {path.name: path for path in root.iterdir()}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "stored", ["transformers", "latent", "dense", "full precision", "autobitlinear"]
)
def test_the_same_as_through_the_loaded_model(
    stored: str, format: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    save_ternary(folders[stored], tmp_path / "streamed", format)  # type: ignore[arg-type]
    save_ternary(load_ternary(folders[stored]), tmp_path / "loaded", format)  # type: ignore[arg-type]
    streamed = load_file(tmp_path / "streamed" / "model.safetensors")
    loaded = load_file(tmp_path / "loaded" / "model.safetensors")
    assert streamed.keys() == loaded.keys()
    for name, tensor in streamed.items():
        assert tensor.dtype == loaded[name].dtype
        assert torch.equal(tensor, loaded[name]), name
    files = [sorted(p.name for p in (tmp_path / f).iterdir()) for f in ("streamed", "loaded")]
    assert files[0] == files[1]


@pytest.mark.parametrize("stored", ["transformers", "latent", "dense"])
def test_names_without_the_base_models_prefix(
    stored: str, folders: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(folders[stored], tmp_path / "base model")
    path = tmp_path / "base model" / "model.safetensors"
    tensors = {name.removeprefix("model."): tensor for name, tensor in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})
    save_ternary(tmp_path / "base model", tmp_path / "out")
    assert "the whole model is loaded" not in caplog.text
    save_ternary(folders[stored], tmp_path / "expected")
    names = [tmp_path / folder / "model.safetensors" for folder in ("out", "expected")]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_the_folder_says_what_it_holds(folders: dict[str, Path], tmp_path: Path) -> None:
    save_ternary(folders["latent"], tmp_path / "out")
    assert (
        logits(load_ternary(tmp_path / "out")) - logits(ternary_model("llama, tied"))
    ).norm() < 1e-5


def test_what_goes_with_the_weights_is_copied(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folders["transformers"], folder)
    for name in ("README.md", "tokenizer_config.json.txt", "merges.txt", "modeling_own.py"):
        (folder / name).write_text(name)
    for name in (
        "optimizer.pt",
        "pytorch_model.bin",
        "training_args.bin",
        "trainer_state.json",
        ".git",
    ):
        (folder / name).write_text("not to be copied")
    save_ternary(folder, tmp_path / "out", "dense")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "README.md",
        "config.json",
        "generation_config.json",
        "merges.txt",
        "model.safetensors",
        "modeling_own.py",
        "tokenizer_config.json.txt",
    ]


def test_tensors_that_transformers_stacks_are_loaded_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = ternary_model("mixtral")
    save_ternary(model, tmp_path / "mixtral")
    with caplog.at_level(logging.WARNING):
        save_ternary(tmp_path / "mixtral", tmp_path / "out", "latent")
    assert "the whole model is loaded" in caplog.text
    names = {path: load_file(path / "model.safetensors").keys() for path in tmp_path.iterdir()}
    expert = "model.layers.0.block_sparse_moe.experts.3.w2.weight"
    assert all(expert in found for found in names.values()), "named as in published checkpoints"
    assert (logits(load_ternary(tmp_path / "out")) - logits(model)).norm() / logits(
        model
    ).norm() < 1e-5


def test_nan_masters_are_named_with_their_file(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["latent"], tmp_path / "broken")
    path = tmp_path / "broken" / "model.safetensors"
    tensors = load_file(path)
    tensors["model.layers.1.mlp.up_proj.weight"][0, 0] = float("inf")
    save_file(tensors, path, metadata={"format": "pt"})
    message = r"model.safetensors: tensor 'model.layers.1.mlp.up_proj.weight' holds NaN"
    with pytest.raises(ValueError, match=message):
        save_ternary(tmp_path / "broken", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_may_be_replaced_by_its_own_export(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(folders["latent"], tmp_path / "model")
    save_ternary(tmp_path / "model", tmp_path / "model", overwrite=True)
    assert (
        load_file(tmp_path / "model" / "model.safetensors")[
            "model.layers.0.mlp.up_proj.weight"
        ].dtype
        == torch.uint8
    )


def test_the_outline_has_the_shapes_and_dtypes_of_what_is_read(folders: dict[str, Path]) -> None:
    for source in (
        source_from_model(ternary_model("qwen2, biases")),
        *(source_from_folder(folder) for folder in folders.values()),
    ):
        outline = source.outline
        assert outline is not None and outline.dense_names == source.dense_names
        for name in source.layers:
            pairs = [*zip(source.read_layer(name), outline.read_layer(name), strict=True)]
            pairs.append((source.read_latent(name), outline.read_latent(name)))
            for value, shape_only in pairs:
                assert (value.shape, value.dtype) == (shape_only.shape, shape_only.dtype)
                assert shape_only.is_meta
        for name in source.dense_names:
            value, shape_only = source.read_dense(name), outline.read_dense(name)
            assert (value.shape, value.dtype) == (shape_only.shape, shape_only.dtype)
