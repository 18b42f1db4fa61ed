"""`load_adapter`: one call, several adapters, and no base but the right one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from transformers import LlamaForCausalLM, PreTrainedModel

from bitsft import load_adapter, load_ternary, replace_linear_with_bitlinear, save_ternary
from bitsft.adapters.base_identity import BASE_FILE, base_of_model, write_base
from bitsft.adapters.lora import TernaryBaseLoraLinear
from bitsft.ternary import ternary_layers
from bitsft.ternary.packed_linear import layers_with_codes

IDS = torch.tensor([[5, 6, 7, 8, 9]])


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(IDS).logits


def adapter_over(base: PreTrainedModel, folder: Path, seed: int, **options: Any) -> Path:
    """A random adapter, saved as the trainer saves it."""
    torch.manual_seed(seed)
    config = LoraConfig(
        **{"r": 2, "target_modules": ["q_proj", "down_proj"], "init_lora_weights": False, **options}
    )
    model = get_peft_model(base, config)
    model.save_pretrained(str(folder))
    write_base(base_of_model(model), folder)
    return folder


@pytest.fixture
def base(tiny_llama: LlamaForCausalLM, tmp_path: Path) -> Path:
    save_ternary(replace_linear_with_bitlinear(tiny_llama), tmp_path / "base")  # type: ignore[arg-type]
    return tmp_path / "base"


@pytest.fixture
def first(base: Path, tmp_path: Path) -> Path:
    return adapter_over(load_ternary(base), tmp_path / "first", seed=1)


@pytest.fixture
def second(base: Path, tmp_path: Path) -> Path:
    options = {"target_modules": ["up_proj", "q_proj"]}
    return adapter_over(load_ternary(base), tmp_path / "second", seed=2, **options)


def test_the_base_by_any_name(base: Path, first: Path) -> None:
    expected = logits(load_adapter(base, first))
    assert not torch.equal(expected, logits(load_ternary(base)))
    for given in (None, str(base), load_ternary(base), load_ternary(base, trainable=False)):
        assert torch.equal(logits(load_adapter(given, first)), expected)
    frozen = load_adapter(None, first)
    assert not ternary_layers(frozen) and len(layers_with_codes(frozen)) == 14
    assert not any(p.requires_grad for p in frozen.parameters()) and not frozen.training


def test_options_reach_the_base(base: Path, first: Path) -> None:
    model = load_adapter(base, first, codes_in_memory="int8", dtype="bfloat16")
    assert {layer.codes_in_memory for layer in layers_with_codes(model).values()} == {"int8"}
    assert model.get_base_model().lm_head.weight.dtype == torch.bfloat16
    with pytest.raises(ValueError, match="dtype: options for loading"):
        load_adapter(load_ternary(base), first, dtype="bfloat16")


def test_several_at_once(base: Path, first: Path, second: Path) -> None:
    alone = {
        name: logits(load_adapter(base, folder)) for name, folder in (("a", first), ("b", second))
    }
    model = load_adapter(base, first, adapter_name="a")
    assert load_adapter(model, second, adapter_name="b") is model
    for name in ("b", "a", "b"):
        model.set_adapter(name)
        assert torch.equal(logits(model), alone[name])
    with model.disable_adapter():
        assert torch.equal(logits(model), logits(load_ternary(base)))
    layers = model.base_model.model.model.layers[0].mlp
    assert type(layers.up_proj) is type(layers.down_proj) is TernaryBaseLoraLinear
    with pytest.raises(ValueError, match="merge_to_ternary"):
        model.merge_and_unload()
    with pytest.raises(ValueError, match="has an adapter 'b' already"):
        load_adapter(model, second, adapter_name="b")


def test_a_second_adapter_that_cannot_be_read_leaves_nothing(
    base: Path, first: Path, second: Path
) -> None:
    model = load_adapter(base, first)
    expected = logits(model)
    (second / "adapter_model.safetensors").write_bytes(b"damaged")
    with pytest.raises(SafetensorError):
        load_adapter(model, second, adapter_name="second")
    assert list(model.peft_config) == ["default"]
    assert torch.equal(logits(model), expected)


def test_trainable(base: Path, first: Path, second: Path) -> None:
    model = load_adapter(base, first, is_trainable=True)
    assert all("lora_" in n for n, p in model.named_parameters() if p.requires_grad)
    assert any(p.requires_grad for p in model.parameters())
    load_adapter(model, second, adapter_name="b", is_trainable=True)
    assert {"default", "b"} == {
        n.split(".")[-2] for n, p in model.named_parameters() if p.requires_grad
    }


def test_bf16_latents_are_the_same_base(
    base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rounded = load_ternary(base, dtype="bfloat16")
    folder = adapter_over(rounded, tmp_path / "adapter", seed=1)
    load_adapter(base, folder)
    assert "with γ rounded" in caplog.text


def test_a_scale_per_row_where_the_base_has_one_per_matrix(base: Path, tmp_path: Path) -> None:
    by_row = load_ternary(base, granularity="row")
    folder = adapter_over(by_row, tmp_path / "adapter", seed=1)
    with pytest.raises(ValueError) as error:
        load_adapter(base, folder)
    identities = (
        str(error.value).split("identity ")[1][:12],
        str(error.value).split("identity ")[2][:12],
    )
    assert str(error.value) == (
        f"The adapter {folder} was trained on the ternary base {base} (LlamaForCausalLM), identity {identities[0]} with "
        f"granularity='row', not on {base} (LlamaForCausalLM), identity {identities[1]} with granularity='tensor': the codes "
        "are the same, but one has a weight scale γ per row. Load the base with granularity='row', or train an adapter on "
        "this one."
    )
    load_adapter(base, folder, granularity="row")  # as the remedy says


def with_another_code(model: PreTrainedModel) -> None:
    weight = ternary_layers(model)["model.layers.1.mlp.up_proj"].weight
    with torch.no_grad():
        weight[0, 0] = 0 if weight[0, 0] else weight.max()


def with_other_scales(model: PreTrainedModel) -> None:
    with torch.no_grad():
        ternary_layers(model)["model.layers.1.mlp.up_proj"].weight.mul_(1.01)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (with_another_code, r"the ternary weights \(26,624 there, 26,624 here\) have other codes"),
        (with_other_scales, r"weight scales γ differ \(by up to 1.00%\)"),
    ],
)
def test_another_base_is_refused(
    change: Callable[[PreTrainedModel], None],
    difference: str,
    base: Path,
    first: Path,
    tmp_path: Path,
) -> None:
    other = load_ternary(base)
    change(other)
    save_ternary(other, tmp_path / "other")
    message = rf"trained on the ternary base {base} \(LlamaForCausalLM\), identity \w+, not on {tmp_path}/other"
    for given in (str(tmp_path / "other"), load_ternary(tmp_path / "other", trainable=False)):
        with pytest.raises(ValueError, match=message) as error:
            load_adapter(given, first)
        assert error.match(difference)
    assert isinstance(given, PreTrainedModel)
    assert not any("lora" in name for name, _ in given.named_modules()), "nothing was touched"


def test_a_base_that_is_not_ternary_is_refused(
    base: Path, first: Path, tiny_llama: LlamaForCausalLM
) -> None:
    dense = LlamaForCausalLM(tiny_llama.config)
    with pytest.raises(ValueError, match="does not do: LlamaForCausalLM has no ternary layer"):
        load_adapter(dense, first)


def test_fewer_layers_are_refused(base: Path, first: Path, tiny_llama: LlamaForCausalLM) -> None:
    dense = LlamaForCausalLM(tiny_llama.config)
    part = replace_linear_with_bitlinear(dense, filter_fn=lambda _, name: "mlp" in name)
    with pytest.raises(ValueError, match=r"has 14 ternary layers, this 6, '.*' not among them"):
        load_adapter(part, first)  # type: ignore[arg-type]


def test_a_record_whose_layers_are_others(base: Path, first: Path) -> None:
    record = json.loads((first / BASE_FILE).read_text())
    record["layers"]["elsewhere"] = record["layers"].pop("model.layers.0.mlp.up_proj")
    (first / BASE_FILE).write_text(json.dumps(record | {"identity": "0" * 64}))
    with pytest.raises(ValueError, match="'elsewhere' not among them"):
        load_adapter(base, first)


def test_the_base_is_looked_for_as_it_is_loaded(
    base: Path, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def folder(name: Any, **options: Any) -> Path:
        asked.append(options)
        return base if str(name) == "someone/base" else Path(name)

    monkeypatch.setattr("bitsft.adapters.load.model_folder", folder)
    monkeypatch.setattr("bitsft.checkpoint.load.model_folder", folder)
    options = {"revision": "main", "local_files_only": True}
    load_adapter("someone/base", first, **options)
    assert [given for given in asked if "revision" in given] == [options, options]


def test_a_base_beside_the_adapter(base: Path, first: Path, tmp_path: Path) -> None:
    path = first / "adapter_config.json"
    config = json.loads(path.read_text()) | {"base_model_name_or_path": "../elsewhere"}
    path.write_text(json.dumps(config))
    shutil.move(base, tmp_path / "elsewhere")
    assert len(layers_with_codes(load_adapter(None, first))) == 14
    path.write_text(json.dumps(config | {"base_model_name_or_path": None}))
    with pytest.raises(ValueError, match="names no base model"):
        load_adapter(None, first)


def test_what_is_no_adapter(base: Path, first: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no adapter_config.json"):
        load_adapter(base, base)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        load_adapter(base, tmp_path / "missing")
    with pytest.raises(TypeError, match="base is a Linear"):
        load_adapter(torch.nn.Linear(2, 2), first)  # type: ignore[arg-type]
    (first / BASE_FILE).unlink()
    with pytest.raises(ValueError, match="has no ternary_base.json"):
        load_adapter(base, first)


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "[]",
        '{"format": 2}',
        '{"format": 1}',
        '{"format": 1, "identity": "a", "codes": "b", "model": "", "class": "", "layers": {"a": "x"}}',
        '{"format": 1, "identity": 3, "layers": {}, "granularity": "row", "activation_bits": 8, "weights": 1}',
        '{"format": 1, "layers": {}, "granularity": [], "activation_bits": 8, "weights": 1}',
    ],
)
def test_a_damaged_record(damaged: str, base: Path, first: Path) -> None:
    (first / BASE_FILE).write_text(damaged)
    with pytest.raises(ValueError, match=r"ternary_base.json cannot be read"):
        load_adapter(base, first)


def test_stock_peft_over_the_packed_base_refuses_a_merge_too(base: Path, first: Path) -> None:
    stock = PeftModel.from_pretrained(load_ternary(base, trainable=False), str(first))
    before = logits(stock)
    for safe_merge in (False, True):
        with pytest.raises(RuntimeError, match="merge_to_ternary"):
            stock.merge_and_unload(safe_merge=safe_merge)
    assert torch.equal(logits(stock), before)


@pytest.mark.parametrize("safe_merge", [False, True])
def test_stock_peft_over_trainable_layers_merges_with_a_warning(
    safe_merge: bool, base: Path, first: Path
) -> None:
    stock = PeftModel.from_pretrained(load_ternary(base), str(first))
    before = logits(stock)
    merged = stock.merge_and_unload(safe_merge=safe_merge)
    with pytest.warns(UserWarning, match="q_proj.*changed in place outside bitsft"):
        after = logits(merged)
    assert not torch.allclose(after, before)
