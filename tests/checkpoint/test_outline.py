"""A checkpoint against its model: what is missing, left over, of another shape, or of another kind."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

from bitsft.checkpoint.load import load_ternary
from bitsft.checkpoint.outline import open_ternary
from bitsft.ternary import ternary_layers
from bitsft.ternary.pack import pack_codes
from tests.checkpoint.tiny_checkpoints import BITLINEAR, ONLINE, change_config, change_tensors, save
from tests.checkpoint.tiny_models import SIZES, logits, ternary_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A packed Llama with a head of its own."""
    save(ternary_model("llama"), tmp_path, BITLINEAR)
    return tmp_path


def test_an_outline_holds_no_weights(folder: Path) -> None:
    checkpoint = open_ternary(folder, dtype="auto")
    assert all(p.is_meta for p in checkpoint.outline.parameters())
    assert checkpoint.ternary == set(ternary_layers(checkpoint.outline))
    assert len(checkpoint.ternary) == 14
    assert checkpoint.dtype == torch.float32
    assert checkpoint.form.convention == "divide"
    assert checkpoint.files.directory == folder


UP = "model.layers.1.mlp.up_proj"


def drop_norm(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["model.norm.weight"]


def drop_layer(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[f"{UP}.weight"], tensors[f"{UP}.weight_scale"]


def add_layer(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.layers.2.input_layernorm.weight"] = torch.ones(32)


def add_packed_layer(tensors: dict[str, torch.Tensor]) -> None:
    for kind in ("weight", "weight_scale"):
        tensors[f"model.layers.2.up.{kind}"] = tensors[f"{UP}.{kind}"].clone()


def shorten_packed(tensors: dict[str, torch.Tensor]) -> None:
    tensors[f"{UP}.weight"] = tensors[f"{UP}.weight"][:8].clone()


def shorten_norm(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.norm.weight"] = torch.ones(31)


def unpack_one(tensors: dict[str, torch.Tensor]) -> None:
    tensors[f"{UP}.weight"] = torch.ones(64, 32)
    del tensors[f"{UP}.weight_scale"]


def pack_head(tensors: dict[str, torch.Tensor]) -> None:
    tensors["lm_head.weight"] = pack_codes(tensors["lm_head.weight"].sign().to(torch.int8))
    tensors["lm_head.weight_scale"] = torch.tensor([10.0])


def damage_byte(tensors: dict[str, torch.Tensor]) -> None:
    tensors[f"{UP}.weight"][0, 0] = 255


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_norm, "lacks 'model.norm.weight', which LlamaForCausalLM needs: 1 of its tensors"),
        (drop_layer, r"lacks 'model\.layers\.1\.mlp\.up_proj\.weight'"),
        (
            add_layer,
            r"model\.safetensors: tensor 'model\.layers\.2\.input_layernorm\.weight' has no place",
        ),
        (
            add_packed_layer,
            r"model\.safetensors: tensor 'model\.layers\.2\.up\.weight' has no place",
        ),
        (
            shorten_packed,
            r"model\.safetensors: tensor 'model\.layers\.1\.mlp\.up_proj\.weight' has shape "
            r"\(32, 32\), but LlamaForCausalLM needs \(64, 32\)",
        ),
        (
            shorten_norm,
            r"'model\.norm\.weight' has shape \(31,\), but LlamaForCausalLM needs \(32,\)",
        ),
        (
            unpack_one,
            r"'model\.layers\.1\.mlp\.up_proj\.weight' is not packed, but .*config\.json says so",
        ),
        (
            pack_head,
            r"'lm_head\.weight' is packed, but modules_to_not_convert in .* keeps lm_head in full",
        ),
        (damage_byte, r"tensor 'model\.layers\.1\.mlp\.up_proj\.weight': A pair of bits is 3"),
    ],
)
def test_tensors_that_do_not_fit(
    folder: Path, change: Callable[[dict[str, torch.Tensor]], None], message: str
) -> None:
    change_tensors(folder, change)
    with pytest.raises(ValueError, match=message):
        load_ternary(folder)


def test_nothing_is_read_before_all_is_checked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bitsft.checkpoint.files import CheckpointFiles

    read: list[str] = []

    def noting(self: CheckpointFiles, name: str) -> torch.Tensor:
        read.append(name)
        return original(self, name)

    original = CheckpointFiles.read
    monkeypatch.setattr(CheckpointFiles, "read", noting)
    change_tensors(folder, drop_norm)
    with pytest.raises(ValueError, match="lacks"):
        load_ternary(folder)
    assert {name.rpartition(".")[2] for name in read} == {"weight_scale"}


def test_a_ternary_head_is_refused(folder: Path) -> None:
    change_tensors(folder, pack_head)
    change_config(
        folder, quantization_config={"quant_method": "bitnet", "modules_to_not_convert": []}
    )
    with pytest.raises(ValueError, match=r"'lm_head\.weight': this layer is ternary in the check"):
        load_ternary(folder)


def test_an_online_config_without_the_head(tmp_path: Path) -> None:
    one = save(ternary_model("llama"), tmp_path, {**ONLINE, "modules_to_not_convert": []})
    with pytest.raises(ValueError, match=r"lm_head\.weight'.* name it in modules_to_not_convert"):
        load_ternary(tmp_path)
    change_config(
        tmp_path, quantization_config={**ONLINE, "modules_to_not_convert": ["lm_head", "down_proj"]}
    )
    model = load_ternary(tmp_path)
    assert set(ternary_layers(model)) == {n for n in one.ternary if "down_proj" not in n}
    change_config(
        tmp_path, quantization_config={**ONLINE, "modules_to_not_convert": ["model", "lm_head"]}
    )
    with pytest.raises(ValueError, match="modules_to_not_convert leaves no linear layer"):
        load_ternary(tmp_path)


def test_experts_that_are_incomplete(tmp_path: Path) -> None:
    save(ternary_model("mixtral"), tmp_path, BITLINEAR)
    expert = "model.layers.0.block_sparse_moe.experts.1.w1.weight"
    change_tensors(tmp_path, lambda tensors: tensors.pop(expert))
    with pytest.raises(ValueError, match=r"MixtralForCausalLM puts together into model\.layers\.0"):
        load_ternary(tmp_path)


def test_packed_experts_that_the_model_stacks(tmp_path: Path) -> None:
    save(ternary_model("mixtral"), tmp_path, BITLINEAR)
    expert = "model.layers.0.block_sparse_moe.experts.1.w1"

    def pack(tensors: dict[str, torch.Tensor]) -> None:
        tensors[f"{expert}.weight"] = pack_codes(tensors[f"{expert}.weight"].sign().to(torch.int8))
        tensors[f"{expert}.weight_scale"] = torch.tensor([10.0])

    change_tensors(tmp_path, pack)
    with pytest.raises(
        ValueError, match=r"experts\.1\.w1\.weight' is packed, but the model has no"
    ):
        load_ternary(tmp_path)


def test_names_without_the_base_models_prefix(folder: Path) -> None:
    expected = logits(load_ternary(folder))
    tensors = load_file(folder / "model.safetensors")
    renamed = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
    save_file(renamed, folder / "model.safetensors")
    model = load_ternary(folder)
    assert len(ternary_layers(model)) == 14
    assert torch.equal(logits(model), expected)


def test_names_that_the_caller_maps(folder: Path) -> None:
    expected = logits(load_ternary(folder))
    tensors = load_file(folder / "model.safetensors")
    renamed = {
        name.replace("model.norm", "model.final_norm"): tensor for name, tensor in tensors.items()
    }
    save_file(renamed, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"lacks 'model\.norm\.weight'"):
        load_ternary(folder)
    model = load_ternary(folder, key_mapping={r"model\.final_norm": "model.norm"})
    assert torch.equal(logits(model), expected)


def test_shapes_that_the_caller_lets_differ(tmp_path: Path) -> None:
    LlamaForCausalLM(LlamaConfig(**SIZES)).save_pretrained(tmp_path)
    change_config(tmp_path, vocab_size=130)
    with pytest.raises(ValueError, match=r"lm_head\.weight' has shape \(120, 32\)"):
        load_ternary(tmp_path)
    model = load_ternary(tmp_path, ignore_mismatched_sizes=True)
    assert model.get_output_embeddings().weight.shape == (130, 32)


@pytest.mark.parametrize(
    "option", ["quantization_config", "gguf_file", "state_dict", "subfolder", "variant"]
)
def test_options_that_do_not_apply(folder: Path, option: str) -> None:
    with pytest.raises(ValueError, match=f"load_ternary takes no {option}"):
        load_ternary(folder, **{option: "x"})
    assert isinstance(load_ternary(folder, **{option: None}), LlamaForCausalLM)


def test_a_class_that_transformers_lacks(folder: Path) -> None:
    change_config(folder, architectures=["MyLlama"])
    assert type(load_ternary(folder)) is LlamaForCausalLM
    change_config(folder, architectures=None)
    assert type(load_ternary(folder)) is LlamaForCausalLM
    change_config(folder, architectures=["pipeline"])
    assert type(load_ternary(folder)) is LlamaForCausalLM


def test_a_model_type_without_a_causal_model(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    config = {"model_type": "clip_text_model", "architectures": ["MyClip"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"has no model 'MyClip' \(model_type 'clip_text_model'\)"):
        load_ternary(tmp_path)


REMOTE_CODE = """
from transformers import LlamaConfig, LlamaForCausalLM
class OurConfig(LlamaConfig):
    model_type = "ours_for_bitsft"
class OurModel(LlamaForCausalLM):
    config_class = OurConfig
"""


def test_code_in_the_checkpoint(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        transformers.dynamic_module_utils,
        "HF_MODULES_CACHE",
        str(tmp_path_factory.mktemp("modules")),
    )
    expected = logits(load_ternary(folder))
    (folder / "ours.py").write_text(REMOTE_CODE)
    change_config(
        folder,
        architectures=["OurModel"],
        model_type="ours_for_bitsft",
        auto_map={"AutoConfig": "ours.OurConfig", "AutoModelForCausalLM": "ours.OurModel"},
    )
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        load_ternary(folder)
    model = load_ternary(folder, trust_remote_code=True)
    assert type(model).__name__ == "OurModel"
    assert torch.equal(logits(model), expected)
    change_config(folder, model_type="clip_text_model", auto_map={"AutoModelForCausalLM": "ours.X"})
    with pytest.raises(ValueError, match="'OurModel'.*Its code lies in the checkpoint"):
        load_ternary(folder)
