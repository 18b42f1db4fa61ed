"""Checkpoints of every form, loaded here and in a process with stock transformers and no bitsft."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from huggingface_hub.errors import LocalEntryNotFoundError
from packaging.version import Version
from safetensors.torch import load_file
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging as transformers_logging

from bitsft.checkpoint import hub_folder
from bitsft.checkpoint.load import load_ternary
from bitsft.ternary import BitLinear158, replace_linear_with_bitlinear, ternary_layers
from tests.checkpoint.tiny_checkpoints import (
    BF16,
    BITLINEAR,
    F32,
    OFFLINE,
    ONLINE,
    Saved,
    change_config,
    change_tensors,
    rounded_to_bf16,
    save,
)
from tests.checkpoint.tiny_models import IDS, MODELS, logits, ternary_model

NAMES = [
    "llama",
    "llama, tied",
    "qwen2, biases",
    "qwen3, q/k norms",
    "gemma3",
    "bitnet, sub-norms, squared ReLU",
]
FIXED_OFFLINE = Version("5.13.1")  # before, transformers cannot load autobitlinear offline

LOAD_IN_STOCK = """
import sys
sys.modules["bitsft"] = None  # importing it would fail
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
logits = {}
for folder in sys.argv[2:]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        logits[folder] = model(torch.arange(2, 34).reshape(2, 16)).logits
save_file(logits, sys.argv[1])
"""


FEW = ["llama, tied", "qwen2, biases", "bitnet, sub-norms, squared ReLU"]
CASES: dict[str, Callable[[str, Path], Saved]] = {
    "online": lambda name, d: save(ternary_model(name), d, ONLINE),
    "online, bf16": lambda name, d: save(rounded_to_bf16(ternary_model(name)), d, ONLINE),
    "divide": lambda name, d: save(ternary_model(name), d, BITLINEAR),
    "divide, sharded": lambda name, d: save(
        ternary_model(name), d, {"quant_method": "bitnet"}, max_shard_size="20KB"
    ),
    "divide, bf16 scales": lambda name, d: save(
        ternary_model(name), d, BITLINEAR, scale_dtype=BF16
    ),
    "multiply": lambda name, d: save(ternary_model(name), d, OFFLINE, divide=False),
    "multiply, bf16 scales": lambda name, d: save(
        ternary_model(name), d, OFFLINE, divide=False, scale_dtype=BF16
    ),
}
ALL = [(name, case) for name in NAMES for case in CASES if name in FEW or "," not in case]
ALL += [(name, "divide") for name in MODELS if name not in NAMES]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Saved]:
    """All checkpoints, loaded by stock transformers in one process."""
    root = tmp_path_factory.mktemp("forms")
    made = {}
    for number, (name, case) in enumerate(ALL):
        made[name, case] = CASES[case](name, root / str(number))
    broken = Version(transformers.__version__) < FIXED_OFFLINE
    readable = [s for (_, case), s in made.items() if not (broken and "multiply" in case)]
    script = root / "stock.py"
    script.write_text(LOAD_IN_STOCK)
    subprocess.run(
        [sys.executable, script, root / "logits.safetensors", *(s.folder for s in readable)],
        check=True,
        env={**os.environ, "TORCHDYNAMO_DISABLE": "1"},
        capture_output=True,
    )
    found = load_file(root / "logits.safetensors")
    for one in readable:
        one.stock = found[str(one.folder)]
    return made


@pytest.mark.parametrize(("name", "case"), ALL)
def test_logits_are_those_of_stock_transformers(
    name: str, case: str, saved: dict[tuple[str, str], Saved]
) -> None:
    one = saved[name, case]
    model = load_ternary(one.folder)
    found = logits(model)
    layers = ternary_layers(model)
    assert set(layers) == set(one.ternary)
    for layer, (codes, scale) in one.ternary.items():
        found_codes, found_scale = layers[layer].ternary()
        assert torch.equal(found_codes, codes)
        torch.testing.assert_close(found_scale, scale, rtol=2.5e-7, atol=0)
    assert {layer.on_grid for layer in layers.values()} == {"online" not in case}
    assert all(p.requires_grad and p.dtype == F32 for p in model.parameters())
    assert not model.training
    assert not any(p.is_meta for p in model.parameters())
    assert "quantization_config" not in vars(model.config)
    assert relative(found, one.expected) < 1e-4
    if one.stock is None:
        assert "multiply" in case  # which this version of transformers cannot load
    elif one.exact:
        assert torch.equal(found, one.stock)
    else:
        assert relative(found, one.stock) < 1e-3  # one int8 activation rounded the other way


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def test_scales_that_bitsft_writes_are_exact(saved: dict[tuple[str, str], Saved]) -> None:
    assert all(saved[name, "divide"].exact for name in MODELS)


@pytest.mark.parametrize("case", ["online", "divide", "multiply"])
@pytest.mark.parametrize("name", ["llama, tied", "bitnet, sub-norms, squared ReLU"])
def test_it_trains(name: str, case: str, saved: dict[tuple[str, str], Saved]) -> None:
    model = load_ternary(saved[name, case].folder).train()
    model(IDS, labels=IDS).loss.backward()
    for parameter, tensor in model.named_parameters():
        assert tensor.grad is not None, parameter
        assert bool(torch.isfinite(tensor.grad).all()), parameter
        assert bool(tensor.grad.any()), parameter


@pytest.mark.parametrize("name", NAMES)
def test_a_full_precision_model(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    dense = MODELS[name]().eval()
    dense.save_pretrained(tmp_path)
    model = load_ternary(tmp_path)
    assert not any(layer.on_grid for layer in ternary_layers(model).values())
    assert all(torch.equal(t, model.state_dict()[n]) for n, t in dense.state_dict().items())
    assert torch.equal(logits(model), logits(replace_linear_with_bitlinear(dense)))


def test_a_dense_export_lies_on_the_grid(tmp_path: Path) -> None:
    model = ternary_model("llama")
    expected = logits(model)
    for layer in ternary_layers(model).values():
        layer.move_to_grid_()
    model.save_pretrained(tmp_path)
    loaded = load_ternary(tmp_path)
    assert all(layer.on_grid for layer in ternary_layers(loaded).values())
    assert torch.equal(logits(loaded), expected)


@pytest.mark.parametrize("granularity", ["tensor", "row"])
@pytest.mark.parametrize(
    "rows",
    [
        [[0, 0, 0, 0], [1, -1, 0, 1]],
        [[2, 2, 2, 2], [2, 2, 2, 2]],
        [[0, 0, 0, 0], [0, 0, 0, 0]],
        [[1, -1, 0, 0], [2, 0, -2, 2]],
        [[1, -1, 0, 0], [1, 0, -1, 2]],
        [[1, 2, 0, 0], [1, 0, -1, 1]],
    ],
)
def test_a_grid_is_recognised_as_replacing_does(
    tmp_path: Path, rows: list[list[int]], granularity: Any
) -> None:
    torch.manual_seed(0)
    model = MODELS["llama"]()
    name = "model.layers.0.mlp.up_proj"
    with torch.no_grad():
        model.get_submodule(name).weight.copy_(torch.tensor(rows).repeat(32, 8) * 0.25)
    model.save_pretrained(tmp_path)
    found = ternary_layers(load_ternary(tmp_path, granularity=granularity))[name]
    expected = ternary_layers(replace_linear_with_bitlinear(model, granularity=granularity))[name]
    assert found.on_grid == expected.on_grid
    for one, other in zip(found.ternary(), expected.ternary(), strict=True):
        assert torch.equal(one, other)


def test_online_weights_on_some_grid_still_take_their_mean(tmp_path: Path) -> None:
    model = ternary_model("llama")
    for layer in ternary_layers(model).values():
        layer.move_to_grid_()
        layer.on_grid = False
    one = save(model, tmp_path, ONLINE)
    assert torch.equal(logits(load_ternary(tmp_path)), one.expected)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A packed Llama with a head of its own."""
    save(ternary_model("llama"), tmp_path, BITLINEAR)
    return tmp_path


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_master_weights_that_are_not_finite(tmp_path: Path, value: float) -> None:
    model = ternary_model("llama")
    save(model, tmp_path, ONLINE)
    name = "model.layers.1.mlp.up_proj"
    change_tensors(tmp_path, lambda tensors: tensors[f"{name}.weight"][3, 5].fill_(value))
    with pytest.raises(ValueError, match=rf"the weight of {name} holds NaN or infinite values"):
        load_ternary(tmp_path)


def test_layers_with_hooks_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate.hooks import ModelHook, add_hook_to_module

    original = LlamaForCausalLM.from_pretrained

    def spread(*args: Any, **options: Any) -> Any:
        model = original(*args, **options)
        if isinstance(model, LlamaForCausalLM):
            add_hook_to_module(model.model.layers[1].mlp.up_proj, ModelHook())
        return model

    monkeypatch.setattr(LlamaForCausalLM, "from_pretrained", spread)
    with pytest.raises(ValueError, match=r"layers\.1\.mlp\.up_proj: device_map spreads the model"):
        load_ternary(folder)


def test_the_wrong_convention_and_its_two_remedies(tmp_path: Path) -> None:
    one = save(ternary_model("llama"), tmp_path, OFFLINE, divide=False)
    change_config(tmp_path, quantization_config=BITLINEAR)
    with pytest.raises(ValueError, match="wrong convention.*scale_convention='multiply'"):
        load_ternary(tmp_path)
    assert torch.equal(logits(load_ternary(tmp_path, scale_convention="multiply")), one.expected)
    change_config(tmp_path, quantization_config=OFFLINE)
    assert torch.equal(logits(load_ternary(tmp_path)), one.expected)


def test_what_comes_with_the_weights(folder: Path) -> None:
    GenerationConfig(max_new_tokens=7, eos_token_id=[2, 3]).save_pretrained(folder)
    model = load_ternary(folder)
    assert model.generation_config.max_new_tokens == 7
    assert model.generation_config.eos_token_id == [2, 3]
    assert model.name_or_path == model.config.name_or_path == str(folder)
    (folder / "generation_config.json").unlink()
    assert load_ternary(folder).generation_config.eos_token_id == 2
    own = load_ternary(folder, generation_config=GenerationConfig(max_new_tokens=9))
    assert own.generation_config.max_new_tokens == 9


def test_options_of_from_pretrained(folder: Path) -> None:
    model = load_ternary(
        str(folder), attn_implementation="eager", use_cache=False, device_map={"": "cpu"}
    )
    assert model.config._attn_implementation == "eager"
    assert model.config.use_cache is False
    config = LlamaConfig.from_pretrained(folder, rope_theta=5.0)
    assert hasattr(config, "quantization_config")
    given = load_ternary(folder, config=config)
    assert not torch.equal(logits(given), logits(model))
    assert hasattr(config, "quantization_config"), "the caller's config stays as it was"


def test_options_of_the_layers(folder: Path) -> None:
    model = load_ternary(folder, activation_bits=None, granularity="row")
    layer = ternary_layers(model)["model.layers.0.mlp.up_proj"]
    assert layer.activation_bits is None
    assert layer.ternary()[1].shape == (64, 1)
    with pytest.raises(ValueError, match="activation_bits is 4"):
        load_ternary(folder, activation_bits=4)


def test_filter(folder: Path) -> None:
    seen = {}

    def keep_mlp_dense(module: torch.nn.Module, name: str) -> bool:
        seen[name] = module.out_features
        return "mlp" not in name

    model = load_ternary(folder, filter_fn=keep_mlp_dense)
    up = model.get_submodule("model.layers.0.mlp.up_proj")
    assert type(up) is torch.nn.Linear
    assert len(up.weight.detach().unique()) == 3, "still γ·codes"
    assert isinstance(model.get_submodule("model.layers.0.self_attn.q_proj"), BitLinear158)
    assert len(seen) == 14
    assert seen["model.layers.1.mlp.gate_proj"] == 64
    with pytest.raises(ValueError, match="filter_fn left out all 14 linear layers"):
        load_ternary(folder, filter_fn=lambda module, name: False)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.bfloat16, torch.bfloat16),
        ("bfloat16", torch.bfloat16),
        ("float16", torch.float16),
        ("auto", torch.float32),
        (None, torch.float32),
    ],
)
def test_dtype(folder: Path, dtype: Any, expected: torch.dtype) -> None:
    model = load_ternary(folder, dtype=dtype)
    assert {p.dtype for p in model.parameters()} == {expected}
    assert model.config.dtype == expected
    assert all(layer.on_grid for layer in ternary_layers(model).values())


def test_dtypes_that_do_not_work(folder: Path) -> None:
    with pytest.raises(ValueError, match="dtype is torch.float64; use one of float32"):
        load_ternary(folder, dtype=torch.float64)
    with pytest.raises(ValueError, match="dtype is 'int8'"):
        load_ternary(folder, dtype="int8")
    scale = {"model.layers.0.mlp.up_proj.weight_scale": torch.tensor([1e9])}
    change_tensors(folder, lambda tensors: tensors.update(scale))
    with pytest.raises(
        ValueError, match=r"layers\.0\.mlp\.up_proj: γ is 1e-09, which torch.float16"
    ):
        load_ternary(folder, dtype=torch.float16)


def test_rounding_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_ternary(folder)
    assert not [r for r in caplog.records if r.name.startswith("bitsft")]
    load_ternary(folder, dtype=torch.bfloat16)
    message = caplog.records[-1].getMessage()
    assert message.startswith("torch.bfloat16 rounds the weight scales γ, by up to 0.")
    layer = message.split("(")[1].split(")")[0]
    scale = 1 / load_file(folder / "model.safetensors")[f"{layer}.weight_scale"]
    error = abs(scale.bfloat16().float() / scale - 1).item()
    assert f"{100 * error:.2f} %" in message


def test_rounding_of_master_weights_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = save(ternary_model("llama"), tmp_path, ONLINE)
    load_ternary(one.folder, dtype=torch.bfloat16)
    assert "torch.bfloat16 rounds 14 master weights, which are stored in torch.float32" in (
        caplog.records[-1].getMessage()
    )


def test_nothing_global_changes(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    shown = transformers_logging.is_progress_bar_enabled()
    filters = [
        list(logging.getLogger(name).filters)
        for name in ("transformers.modeling_utils", "bitsft.ternary.replace")
    ]
    dtype, state = torch.get_default_dtype(), torch.get_rng_state()
    with caplog.at_level(logging.INFO, logger="bitsft"):
        load_ternary(folder, dtype=torch.bfloat16)
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.INFO] == [
        "LlamaForCausalLM: 14 ternary layers loaded"
    ]
    assert transformers_logging.is_progress_bar_enabled() == shown
    assert torch.get_default_dtype() == dtype
    assert torch.equal(torch.get_rng_state(), state)
    assert filters == [
        list(logging.getLogger(name).filters)
        for name in ("transformers.modeling_utils", "bitsft.ternary.replace")
    ]


@pytest.mark.parametrize("path", ["./nothing", "/nothing/here", "a/b/c"])
def test_a_folder_that_does_not_exist(path: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"{path.removeprefix('./')} does not exist"):
        load_ternary(path)


@pytest.mark.parametrize("hub_id", ["nobody/nothing-of-this-name", "bad id"])
def test_a_hub_model_that_cannot_be_fetched(hub_id: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"'{hub_id}' is no folder here, and no model"):
        load_ternary(hub_id)


@pytest.mark.parametrize("shard_size", ["5GB", "20KB"])
def test_a_model_on_the_hub(
    shard_size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "snapshots" / commit
    one = save(ternary_model("llama"), snapshot, BITLINEAR, max_shard_size=shard_size)
    calls = []

    def download(repo: str, **options: Any) -> str:
        calls.append((repo, options))
        return str(snapshot)

    monkeypatch.setattr(hub_folder, "snapshot_download", download)
    model = load_ternary("someone/model", revision="v1", token="secret", use_cache=False)
    assert torch.equal(logits(model), one.expected)
    assert model.name_or_path == model.config.name_or_path == "someone/model"
    weights = "model.safetensors" if shard_size == "5GB" else "model-*.safetensors"
    assert calls == [
        (
            "someone/model",
            {"revision": "v1", "allow_patterns": ["*.json", "*.py"], "token": "secret"},
        ),
        ("someone/model", {"revision": commit, "allow_patterns": [weights], "token": "secret"}),
    ]


def test_the_hubs_own_error_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repo: str, **options: Any) -> str:
        raise LocalEntryNotFoundError("the cache is empty")

    monkeypatch.setattr(hub_folder, "snapshot_download", download)
    with pytest.raises(FileNotFoundError, match="'someone/model' is no folder.*the cache is empty"):
        load_ternary("someone/model")
