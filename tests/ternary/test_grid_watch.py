"""A weight that others moved off its grid is heard of once a model; bitsft's own writes make no noise."""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import LlamaForCausalLM

from bitsft import load_ternary, replace_linear_with_bitlinear, save_ternary
from bitsft.ternary import BitLinear158, hold_codes, ternary_layers
from bitsft.ternary.held_codes import codes_at_each_use

IDS = torch.tensor([[5, 6, 7, 8, 9]])
CHANGED = "changed in place outside bitsft"


@pytest.fixture
def on_grid(tiny_llama: LlamaForCausalLM, tmp_path: Path) -> LlamaForCausalLM:
    save_ternary(replace_linear_with_bitlinear(tiny_llama), tmp_path / "base")
    return load_ternary(tmp_path / "base")


def change_around_the_counter(model: nn.Module) -> None:
    for layer in ternary_layers(model).values():
        layer.weight.data += 0.01 * torch.randn_like(layer.weight)  # as PEFT merges


def edit_the_last_row(model: nn.Module) -> None:
    with torch.no_grad():
        model.get_parameter("model.layers.1.mlp.down_proj.weight")[-1, -1] += 0.5


def step_of_another_trainer(model: nn.Module) -> None:
    loss = model(input_ids=IDS, labels=IDS).loss
    loss.backward()
    torch.optim.AdamW(model.parameters(), lr=1e-3).step()


def run(model: LlamaForCausalLM, folder: Path) -> None:
    model(IDS)


def generate(model: LlamaForCausalLM, folder: Path) -> None:
    model.generate(IDS, attention_mask=torch.ones_like(IDS), max_new_tokens=2, pad_token_id=0)


def save(model: LlamaForCausalLM, folder: Path) -> None:
    save_ternary(model, folder)


@pytest.mark.parametrize("use", [run, generate, save])
@pytest.mark.parametrize(
    "change", [change_around_the_counter, edit_the_last_row, step_of_another_trainer]
)
def test_one_warning_a_model_that_names_the_first_layer(
    change: Callable[[nn.Module], None],
    use: Callable[[LlamaForCausalLM, Path], None],
    on_grid: LlamaForCausalLM,
    tmp_path: Path,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        use(on_grid, tmp_path / "before")
        change(on_grid)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        use(on_grid, tmp_path / "after")
        run(on_grid, tmp_path)
    messages = [str(w.message) for w in caught if CHANGED in str(w.message)]
    first = "1.mlp.down_proj" if change is edit_the_last_row else "0.self_attn.q_proj"
    assert len(messages) == 1
    assert messages[0].startswith(f"BitLinear158 'model.layers.{first}' (")
    for way in ("TernarySFTTrainer", "load_adapter", "merge_to_ternary", "merge_ternary_adapter"):
        assert way in messages[0]


def test_codes_are_never_stale_and_gamma_is_the_mean(on_grid: LlamaForCausalLM) -> None:
    layer = on_grid.get_submodule("model.layers.0.self_attn.q_proj")
    assert isinstance(layer, BitLinear158)
    layer.weight.data += 0.01 * torch.randn_like(layer.weight)
    with pytest.warns(UserWarning, match=CHANGED):
        scale = layer.ternary()[1]
    assert scale.item() == pytest.approx(layer.weight.abs().mean().item(), rel=1e-6)


@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_writes_of_bitsft_make_no_noise(dtype: torch.dtype, granularity: str) -> None:
    layer = BitLinear158(24, 16, dtype=dtype, granularity=granularity)  # type: ignore[arg-type]
    x = torch.randn(2, 24, dtype=dtype)
    latent = copy.deepcopy(layer.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer.move_to_grid_()
        layer(x)
        grid = copy.deepcopy(layer.state_dict())
        layer.move_to_latents_()
        layer(x)
        layer.load_state_dict(grid)
        layer(x)
        layer.load_state_dict(latent)
        layer(x)
        layer.load_state_dict(grid)
        with torch.no_grad():
            layer.weight[0] = 0  # a row of zeros fits any grid
            layer.weight.mul_(2)  # as another γ does
        with hold_codes(layer):
            layer(x)
        with codes_at_each_use(layer):
            layer(x).sum().backward()
        copy.deepcopy(layer)(x)
        layer.bfloat16()(x.bfloat16())
        layer.to("meta").ternary()


def test_one_copy_that_warned_leaves_the_others_their_warning(on_grid: LlamaForCausalLM) -> None:
    other = copy.deepcopy(on_grid)
    for model in (on_grid, other):
        change_around_the_counter(model)
        with pytest.warns(UserWarning, match=CHANGED):
            model(IDS)


def test_inference_weights_are_watched() -> None:
    with torch.inference_mode():
        layer = BitLinear158(8, 8)
        layer.move_to_grid_()
        layer(torch.ones(1, 8))
        layer.weight += 0.1
        with pytest.warns(UserWarning, match=CHANGED):
            layer(torch.ones(1, 8))
