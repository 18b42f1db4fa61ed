"""apply and revert in place: exactly the tuned model and exactly the base, or an error and nothing touched."""

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedModel

from bitsft.checkpoint import load_ternary, save_ternary
from bitsft.checkpoint.identity import ternary_base_identity
from bitsft.patches import apply_patch, diff_checkpoints, load_patch, loaded_model, revert_patch
from bitsft.patches.loaded_layers import Change
from bitsft.ternary import ternary_layers
from bitsft.ternary.held_codes import hold_codes
from bitsft.ternary.packed_model import pack_model
from tests.checkpoint.tiny_models import MODELS, logits, ternary_model
from tests.patches.tuned import differing, save_pair, state_of, tune_

LOADED = {
    "latent": {},
    "packed": {"trainable": False},
    "int8": {"trainable": False, "codes_in_memory": "int8"},
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Base, tuned and patch."""
    root = tmp_path_factory.mktemp("pair")
    torch.manual_seed(0)
    base, tuned = save_pair(ternary_model("llama, tied"), root)
    diff_checkpoints(base, tuned, root / "patch")
    return base, tuned, root / "patch"


def assert_switches(base: Path, tuned: Path, patch: Path, **options: object) -> None:
    model, goal = load_ternary(base, **options), load_ternary(tuned, **options)  # type: ignore[arg-type]
    before = state_of(model)
    apply_patch(model, patch)
    assert differing(state_of(goal), model) == []
    assert torch.equal(logits(model), logits(goal))
    revert_patch(model, patch)
    assert differing(before, model) == []
    for check in ("touched", "all"):
        apply_patch(model, patch, check=check)  # type: ignore[arg-type]
        assert differing(state_of(goal), model) == []
        revert_patch(model, patch, check=check)  # type: ignore[arg-type]
        assert differing(before, model) == []


# Mixtral's experts are stacked on loading: they stand under other names in the model than in its files.
@pytest.mark.parametrize("name", [name for name in MODELS if name != "mixtral"])
@pytest.mark.parametrize("kind", list(LOADED))
def test_every_architecture_switches_there_and_back(name: str, kind: str, tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model(name), tmp_path)
    diff_checkpoints(base, tuned, tmp_path / "patch")
    assert_switches(base, tuned, tmp_path / "patch", **LOADED[kind])


@pytest.mark.parametrize("kind", list(LOADED))
def test_a_scale_per_row_switches(kind: str, tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model("llama", granularity="row"), tmp_path)
    diff_checkpoints(base, tuned, tmp_path / "patch")
    assert_switches(base, tuned, tmp_path / "patch", **LOADED[kind])


def test_dense_tensors_of_a_shorter_dtype_switch(tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model("llama"), tmp_path, dtype=torch.bfloat16)
    diff_checkpoints(base, tuned, tmp_path / "patch")
    assert load_file(tuned / "model.safetensors")["model.norm.weight"].dtype == torch.bfloat16
    assert_switches(base, tuned, tmp_path / "patch")


def test_a_tuned_model_from_its_folder_goes_back(pair: tuple[Path, Path, Path]) -> None:
    base, tuned, patch = pair
    model = load_ternary(tuned)
    revert_patch(model, patch)
    assert differing(state_of(load_ternary(base)), model) == []


def test_tasks_in_turn(pair: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, tuned, patch = pair
    other = load_ternary(base)
    tune_(other, 0.1)
    save_ternary(other, tmp_path / "other")
    diff_checkpoints(base, tmp_path / "other", tmp_path / "patch")
    one, two = load_patch(patch), load_patch(tmp_path / "patch")
    model = load_ternary(base, trainable=False)
    apply_patch(model, one)
    with pytest.raises(ValueError, match="is not the base"):
        apply_patch(model, two)
    revert_patch(model, one)
    apply_patch(model, two)
    assert torch.equal(logits(model), logits(load_ternary(tmp_path / "other")))


def test_held_codes_do_not_go_stale(pair: tuple[Path, Path, Path]) -> None:
    base, tuned, patch = pair
    model = load_ternary(base)
    with hold_codes(model):
        logits(model)
        apply_patch(model, patch)
        assert torch.equal(logits(model), logits(load_ternary(tuned)))
        revert_patch(model, patch)
        assert torch.equal(logits(model), logits(load_ternary(base)))


def test_under_adapters(pair: tuple[Path, Path, Path]) -> None:
    from peft import LoraConfig, get_peft_model

    base, tuned, patch = pair
    plain = load_ternary(base, trainable=False)
    wrapped = get_peft_model(plain, LoraConfig(target_modules=["q_proj", "up_proj"]))
    apply_patch(wrapped, patch)
    assert ternary_base_identity(wrapped) == ternary_base_identity(tuned)
    revert_patch(wrapped, patch)
    assert ternary_base_identity(wrapped) == ternary_base_identity(base)


def test_dense_tensors_of_layers_with_adapters_switch(tmp_path: Path) -> None:
    """PEFT moves the bias of a layer to `base_layer`, and a norm that it trains to `original_module`."""
    from peft import LoraConfig, get_peft_model

    base, tuned = save_pair(ternary_model("qwen2, biases"), tmp_path)
    diff_checkpoints(base, tuned, tmp_path / "patch")
    model, goal = load_ternary(base, trainable=False), load_ternary(tuned).state_dict()
    attention = model.model.layers[0].self_attn
    norm, before = model.model.norm.weight, model.model.norm.weight.clone()
    wrapped = get_peft_model(
        model, LoraConfig(target_modules=["q_proj", "up_proj"], modules_to_save=["norm"])
    )
    apply_patch(wrapped, tmp_path / "patch")
    bias = attention.q_proj.base_layer.bias
    assert torch.equal(bias, goal["model.layers.0.self_attn.q_proj.bias"])
    assert torch.equal(norm, goal["model.norm.weight"])
    assert torch.equal(model.model.norm.modules_to_save["default"].weight, before), "PEFT's copy"
    with torch.no_grad():
        bias[0] += 1
    with pytest.raises(ValueError, match="the values of model.layers.0.self_attn.q_proj.bias are"):
        revert_patch(wrapped, tmp_path / "patch")


def test_stacked_experts_are_refused(tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model("mixtral"), tmp_path)
    diff_checkpoints(base, tuned, tmp_path / "patch")
    refused(
        load_ternary(base), tmp_path / "patch", "use `bitsft patch` on its folder|patches folders"
    )


def test_codes_alone_are_checked_where_no_scale_changes(tmp_path: Path) -> None:
    """As after merging a ternary adapter: γ and the dense tensors stay."""
    save_ternary(ternary_model("llama"), tmp_path / "base")
    tuned = load_ternary(tmp_path / "base")
    layer = ternary_layers(tuned)["model.layers.1.mlp.up_proj"]
    codes, scale = layer.ternary()
    codes[3, 4] = 1 - codes[3, 4].abs()
    with torch.no_grad():
        layer.weight.copy_(codes * scale)
    save_ternary(tuned, tmp_path / "tuned")
    diff_checkpoints(tmp_path / "base", tmp_path / "tuned", tmp_path / "patch")
    patch = load_patch(tmp_path / "patch")
    assert patch.layers == ["model.layers.1.mlp.up_proj"]
    assert patch.flips[patch.layers[0]].places.tolist() == [3 * 32 + 4]
    model = load_ternary(tmp_path / "base")
    apply_patch(model, patch, check="touched")
    with pytest.raises(ValueError, match="is applied already"):
        apply_patch(model, patch, check="touched")
    assert differing(state_of(tuned), model) == []


def refused(model: PreTrainedModel, patch: object, match: str, *, back: bool = False) -> None:
    before = state_of(model)
    on_grid = {name: layer.on_grid for name, layer in ternary_layers(model).items()}
    for check in ("all", "touched"):
        with pytest.raises(ValueError, match=match):
            (revert_patch if back else apply_patch)(model, patch, check=check)  # type: ignore[arg-type]
    assert differing(before, model) == []
    assert on_grid == {name: layer.on_grid for name, layer in ternary_layers(model).items()}


@pytest.mark.parametrize("kind", list(LOADED))
def test_refusals_touch_nothing(kind: str, pair: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, tuned, patch = pair
    options = LOADED[kind]
    refused(load_ternary(tuned, **options), patch, "is applied already to this model")  # type: ignore[arg-type]
    model = load_ternary(base, **options)  # type: ignore[arg-type]
    refused(model, patch, "is not applied to this model", back=True)
    apply_patch(model, patch)
    refused(model, patch, "is applied already")
    revert_patch(model, patch)
    other = ternary_model("llama, tied")
    torch.manual_seed(5)
    tune_(other, 0.5)
    save_ternary(other, tmp_path / "other")
    refused(load_ternary(tmp_path / "other", **options), patch, "is not the base of")  # type: ignore[arg-type]
    save_ternary(ternary_model("bitnet, sub-norms, SiLU"), tmp_path / "bitnet")
    refused(
        load_ternary(tmp_path / "bitnet", **options), patch, "This model is not|changes|rounded"
    )  # type: ignore[arg-type]


def test_one_other_code_anywhere_is_noticed_by_all(pair: tuple[Path, Path, Path]) -> None:
    base, _, patch = pair
    model = load_ternary(base, trainable=False)
    untouched = set(range(32 * 32)) - set(
        load_patch(patch).flips["model.layers.0.self_attn.q_proj"].places.tolist()
    )
    place = min(p for p in untouched if p < 256)  # its lane is the lowest two bits
    packed = model.model.layers[0].self_attn.q_proj.packed
    assert packed is not None
    code = packed.view(-1)[place] & 3
    packed.view(-1)[place] += 1 if code < 2 else -1
    before = state_of(model)
    with pytest.raises(ValueError, match="its ternary weights are others"):
        apply_patch(model, patch)
    assert differing(before, model) == []


def test_another_dense_tensor_is_noticed(tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model("llama"), tmp_path)
    diff_checkpoints(base, tuned, tmp_path / "patch")
    model = load_ternary(base)
    with torch.no_grad():
        model.model.norm.weight[3] += 1e-3
    refused(model, tmp_path / "patch", "the values of model.norm.weight are others")


def test_latents_off_the_grid_are_refused(pair: tuple[Path, Path, Path]) -> None:
    model = load_ternary(pair[0])
    ternary_layers(model)["model.layers.0.mlp.up_proj"].move_to_latents_()
    refused(model, pair[2], "model.layers.0.mlp.up_proj holds latent weights")
    model = load_ternary(pair[0])
    with torch.no_grad():
        ternary_layers(model)["model.layers.1.mlp.up_proj"].weight[0, 0] += 1e-3
    refused(model, pair[2], "model.layers.1.mlp.up_proj holds latent weights")


def test_a_model_that_rounds_is_refused(pair: tuple[Path, Path, Path]) -> None:
    refused(load_ternary(pair[0], dtype="bfloat16"), pair[2], "is not the base of|not hold")


def test_a_dense_model_is_refused(pair: tuple[Path, Path, Path]) -> None:
    refused(MODELS["llama, tied"](), pair[2], "is no ternary layer of this model")


def test_a_damaged_patch_is_refused(pair: tuple[Path, Path, Path], tmp_path: Path) -> None:
    model = load_ternary(pair[0], trainable=False)
    whole = pair[2].read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = bytearray(whole)
        damaged[place] ^= 4
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(ValueError, match="is no whole patch|of version"):
            apply_patch(model, tmp_path / "damaged")
    (tmp_path / "damaged").write_bytes(whole[:-1])
    refused(model, tmp_path / "damaged", "is no whole patch")


def test_patches_for_folders_only_are_refused(tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model("llama"), tmp_path, "latent")
    diff_checkpoints(base, tuned, tmp_path / "patch")
    refused(load_ternary(base), tmp_path / "patch", "patches folders .* master weights")


def test_an_unknown_check_is_refused(pair: tuple[Path, Path, Path]) -> None:
    with pytest.raises(ValueError, match="check is 'none'; use 'all' or 'touched'"):
        apply_patch(torch.nn.Linear(1, 1), pair[2], check="none")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", list(LOADED))
@pytest.mark.parametrize("after", [0, 5, 14, 16])
def test_an_interrupt_is_taken_back(
    kind: str, after: int, pair: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, _, patch = pair
    model = load_ternary(base, **LOADED[kind])  # type: ignore[arg-type]
    before = state_of(model)
    original = loaded_model._write

    def interrupted(changes: list[Change]) -> None:
        change = changes[after]

        def write(onwards: bool) -> None:
            change.write(onwards)
            if onwards:
                raise KeyboardInterrupt

        changes[after] = Change(change.targets, write)
        original(changes)

    monkeypatch.setattr(loaded_model, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        apply_patch(model, patch)
    assert differing(before, model) == []


def test_weights_made_in_inference_mode_switch(pair: tuple[Path, Path, Path]) -> None:
    with torch.inference_mode():
        model = load_ternary(pair[0], trainable=False)
    apply_patch(model, pair[2])
    assert torch.equal(logits(model), logits(load_ternary(pair[1])))


def test_a_packed_copy_and_requires_grad_stay(pair: tuple[Path, Path, Path]) -> None:
    model = load_ternary(pair[0])
    wants = {name: p.requires_grad for name, p in model.named_parameters()}
    other = pack_model(copy.deepcopy(model))
    before = state_of(other)
    apply_patch(model, pair[2])
    assert wants == {name: p.requires_grad for name, p in model.named_parameters()}
    assert differing(before, other) == [], "a copy is not switched along"
