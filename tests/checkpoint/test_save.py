"""`save_ternary`: arguments, refusals before the first file, what stays untouched."""

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from bitsft.checkpoint import load_ternary, save_ternary
from bitsft.checkpoint.save import FORMATS, SAFETENSORS_FORMATS
from bitsft.scratch import train_tokenizer
from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from tests.checkpoint.tiny_models import SIZES, logits, shaken, ternary_model


def widths(**changed: int) -> LlamaForCausalLM:
    model = LlamaForCausalLM(LlamaConfig(**{**SIZES, **changed}))
    return replace_linear_with_bitlinear(model)  # type: ignore[return-value]


@pytest.mark.parametrize("format", list(SAFETENSORS_FORMATS))
def test_the_model_and_its_config_stay_as_they_were(format: str, tmp_path: Path) -> None:
    model = ternary_model("llama")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    config = model.config.to_json_string(use_diff=False)
    save_ternary(model, tmp_path / "out", format)  # type: ignore[arg-type]
    assert model.config.to_json_string(use_diff=False) == config
    assert "quantization_config" not in vars(model.config)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.state_dict().keys() == before.keys()


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'tq2_0'; choose one of transformers, latent, .*, i2_s"):
        save_ternary(ternary_model("llama"), tmp_path / "out", "tq2_0")  # type: ignore[arg-type]
    assert FORMATS == ("transformers", "latent", "dense", "compressed-tensors", "gguf", "i2_s")


@pytest.mark.parametrize(
    ("format", "options", "message"),
    [
        (
            "latent",
            {"dtype": torch.bfloat16},
            "dtype=torch.bfloat16 .*='latent', which holds torch.float32",
        ),
        ("gguf", {"dtype": torch.bfloat16}, "dtype=torch.bfloat16 does not go with format='gguf'"),
        (
            "dense",
            {"gguf_type": "Q2_K"},
            "gguf_type='Q2_K' goes with format='gguf' only, not 'dense'",
        ),
        (
            "dense",
            {"pre_tokenizer": "qwen2"},
            "pre_tokenizer goes with format='gguf' and 'i2_s' only",
        ),
        ("gguf", {}, "holds the tokenizer, too, and there is none. Pass tokenizer="),
        ("i2_s", {}, "holds the tokenizer, too, and there is none. Pass tokenizer="),
    ],
)
def test_arguments_that_do_not_go_together(
    format: str, options: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        save_ternary(ternary_model("llama"), tmp_path / "out", format, **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_dense_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no ternary layer"):
        save_ternary(LlamaForCausalLM(LlamaConfig(**SIZES)), tmp_path / "out")


def test_a_model_with_adapters_is_refused_with_the_way_out(tmp_path: Path) -> None:
    model = get_peft_model(ternary_model("llama"), LoraConfig(target_modules=["q_proj"]))
    with pytest.raises(TypeError, match="model is a PeftModel; .*save the adapter"):
        save_ternary(model, tmp_path / "out")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("format", "options", "message"),
    [
        ("latent", {"granularity": "row"}, "q_proj has one scale per row"),
        ("transformers", {"activation_bits": None}, "q_proj leaves its activations"),
        ("latent", {"activation_bits": None}, "q_proj leaves its activations"),
        ("compressed-tensors", {"activation_bits": None}, "q_proj leaves its activations"),
    ],
)
def test_layers_that_a_format_cannot_hold(
    format: str, options: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        save_ternary(ternary_model("llama", **options), tmp_path / "out", format)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_rows_that_do_not_pack_are_refused_or_held_never_rounded(tmp_path: Path) -> None:
    model = widths(intermediate_size=66)
    with pytest.raises(ValueError, match="gate_proj has 66 output features, not a multiple of 4"):
        save_ternary(model, tmp_path / "packed")
    for format in ("latent", "dense", "compressed-tensors"):
        save_ternary(model, tmp_path / format, format)  # type: ignore[arg-type]
        again = load_file(tmp_path / format / "model.safetensors")
        assert again["model.layers.0.mlp.gate_proj.weight"].shape == (66, 32)


def test_a_scale_per_row(tmp_path: Path) -> None:
    model = ternary_model("llama", granularity="row")
    name = "model.layers.0.mlp.up_proj"
    codes, scale = ternary_layers(model)[name].ternary()
    save_ternary(model, tmp_path / "dense", "dense", dtype=torch.float32)
    save_ternary(model, tmp_path / "int8", "compressed-tensors")
    dense = load_file(tmp_path / "dense" / "model.safetensors")
    int8 = load_file(tmp_path / "int8" / "model.safetensors")
    assert torch.equal(dense[f"{name}.weight"], codes * scale)
    assert torch.equal(int8[f"{name}.weight_scale"], scale)


def test_a_model_on_the_grid_keeps_codes_and_scales_as_latents(tmp_path: Path) -> None:
    model = ternary_model("llama")
    for layer in ternary_layers(model).values():
        layer.move_to_grid_()
    save_ternary(model, tmp_path / "out", "latent")
    again = load_ternary(tmp_path / "out")
    for name, layer in ternary_layers(again).items():
        codes, scale = layer.ternary()
        expected_codes, expected_scale = ternary_layers(model)[name].ternary()
        assert torch.equal(codes, expected_codes)
        assert scale.item() == pytest.approx(expected_scale.item(), rel=1e-6)
    assert (logits(model) - logits(again)).norm() / logits(model).norm() < 1e-5


def test_nan_weights_leave_the_old_folder(tmp_path: Path) -> None:
    model = ternary_model("llama")
    save_ternary(model, tmp_path / "out")
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="layers.1.mlp.up_proj: the weight holds NaN"):
        save_ternary(model, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_tokenizer_goes_with_the_model(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["서울의 인구는 약 천만 명입니다"] * 3, 300)
    save_ternary(ternary_model("llama"), tmp_path / "out", tokenizer=tokenizer)
    assert (tmp_path / "out" / "tokenizer.json").is_file()


def test_dtype_of_what_is_not_ternary(tmp_path: Path) -> None:
    model = ternary_model("llama")
    save_ternary(model, tmp_path / "out", dtype=torch.bfloat16)
    stored = load_file(tmp_path / "out" / "model.safetensors")
    assert stored["model.embed_tokens.weight"].dtype == torch.bfloat16
    assert stored["model.layers.0.mlp.up_proj.weight_scale"].dtype == torch.float32
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "bfloat16"
    assert model.dtype == torch.float32 and model.config.dtype is None


def test_shards(tmp_path: Path) -> None:
    model = ternary_model("llama")
    save_ternary(model, tmp_path / "out", max_shard_size="20KB")
    assert len(list((tmp_path / "out").glob("model-*-of-*.safetensors"))) > 1
    again = load_ternary(tmp_path / "out")
    assert (logits(model) - logits(again)).abs().max() == 0.0


class _Expert(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = torch.nn.Linear(32, 64, bias=False)
        self.down = torch.nn.Linear(64, 32, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(torch.relu(self.up(x)))


class _Mixture(torch.nn.Module):
    """Experts as nn.Linear behind a router, as models from the Hub with their own code have them."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = torch.nn.Linear(32, 4, bias=False)
        self.experts = torch.nn.ModuleList(_Expert() for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shares = self.gate(x).softmax(-1)
        return sum(shares[..., i, None] * expert(x) for i, expert in enumerate(self.experts))


class MixtureForCausalLM(LlamaForCausalLM):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config)
        for layer in self.model.layers:
            layer.mlp = _Mixture()


@pytest.mark.parametrize("format", ["transformers", "latent"])
def test_experts_that_are_linear_layers_go_out_and_come_in(format: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = shaken(
        replace_linear_with_bitlinear(
            MixtureForCausalLM(LlamaConfig(**SIZES, num_experts=4)).eval()
        )
    )
    names = ternary_layers(model)
    assert "model.layers.1.mlp.experts.3.down" in names
    assert "model.layers.1.mlp.gate" not in names, "the router stays dense"
    save_ternary(model, tmp_path / "out", format)  # type: ignore[arg-type]
    again = replace_linear_with_bitlinear(
        MixtureForCausalLM.from_pretrained(tmp_path / "out").eval()
    )
    assert ternary_layers(again).keys() == names.keys()
    assert isinstance(again, MixtureForCausalLM)
    assert (logits(model) - logits(again)).norm() / logits(model).norm() < 1e-5


def test_dense_is_recognised_when_it_comes_back(tmp_path: Path) -> None:
    model = ternary_model("qwen2, biases")
    save_ternary(model, tmp_path / "out", "dense", dtype=torch.float32)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert not ternary_layers(plain)
    assert (logits(load_ternary(tmp_path / "out")) - logits(model)).abs().max() == 0.0
