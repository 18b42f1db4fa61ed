"""diff -> patch gives back every file of the tuned folder, on every architecture and form; what does not fit is refused."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from bitsft.checkpoint import save_ternary
from bitsft.checkpoint.files import open_checkpoint
from bitsft.patches import diff_checkpoints, patch_checkpoint
from bitsft.patches.patch_file import PatchFile
from tests.checkpoint.tiny_checkpoints import OFFLINE, ONLINE, change_tensors, save
from tests.checkpoint.tiny_models import MODELS, ternary_model
from tests.patches.tuned import contents, save_pair, tune_


def assert_restores(base: Path, tuned: Path, root: Path) -> None:
    diff_checkpoints(base, tuned, root / "patch")
    written = patch_checkpoint(base, root / "patch", root / "restored")
    assert contents(root / "restored") == contents(tuned)
    assert sorted(path.name for path in written) == sorted(contents(tuned))


@pytest.mark.parametrize("name", list(MODELS))
def test_every_architecture_comes_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model(name), tmp_path)
    assert_restores(base, tuned, tmp_path)


@pytest.mark.parametrize("form", ["latent", "dense", "compressed-tensors"])
def test_every_form_comes_back(form: str, tmp_path: Path) -> None:
    assert_restores(*save_pair(ternary_model("llama"), tmp_path, form), tmp_path)


@pytest.mark.parametrize("name", ["llama, tied", "bitnet, sub-norms, SiLU"])
def test_a_scale_per_row_is_written_as_flips(name: str, tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model(name, granularity="row"), tmp_path)
    assert_restores(base, tuned, tmp_path)
    changes = PatchFile(tmp_path / "patch").manifest["changes"]
    change = changes["model.layers.0.mlp.up_proj.weight"]
    assert (change["how"], change["codes"], change["per"]) == ("flips", "float", "row")


def test_shards_come_back(tmp_path: Path) -> None:
    model = ternary_model("qwen2, biases")
    base, tuned = save_pair(model, tmp_path, max_shard_size="30KB")
    assert len(list(tuned.glob("model-*.safetensors"))) > 1
    assert_restores(base, tuned, tmp_path)


def test_other_shards_than_the_bases_come_back(tmp_path: Path) -> None:
    model = ternary_model("llama")
    save_ternary(model, tmp_path / "base")
    model.model.norm.weight.data.add_(1.0)
    save_ternary(model, tmp_path / "tuned", max_shard_size="30KB")
    assert_restores(tmp_path / "base", tmp_path / "tuned", tmp_path)


def test_scales_that_multiply_come_back(tmp_path: Path) -> None:
    model = ternary_model("qwen2, biases")
    save(model, tmp_path / "base", OFFLINE, divide=False)
    tune_(model)
    save(model, tmp_path / "tuned", OFFLINE, divide=False)
    assert_restores(tmp_path / "base", tmp_path / "tuned", tmp_path)


def test_master_weights_come_back_as_differences(tmp_path: Path) -> None:
    model = ternary_model("llama")
    save(model, tmp_path / "base", ONLINE)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.001)
    save(model, tmp_path / "tuned", ONLINE)
    report = diff_checkpoints(tmp_path / "base", tmp_path / "tuned", tmp_path / "patch")
    assert report.all_flips.codes == 0 and report.dense_tensors == 21
    assert report.not_for_loaded_models.startswith("both hold master weights")
    patch_checkpoint(tmp_path / "base", tmp_path / "patch", tmp_path / "restored")
    assert contents(tmp_path / "restored") == contents(tmp_path / "tuned")


def test_a_larger_vocabulary_comes_back(tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model("llama"), tmp_path)

    def grow(tensors: dict[str, torch.Tensor]) -> None:
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            tensors[name] = torch.cat([tensors[name], torch.randn(3, 32)])

    change_tensors(tuned, grow)
    assert_restores(base, tuned, tmp_path)
    assert "has shape (123, 32)" in PatchFile(tmp_path / "patch").manifest["loaded"]["refused"]


def test_added_removed_and_odd_tensors_come_back(tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model("llama"), tmp_path)

    def change(tensors: dict[str, torch.Tensor]) -> None:
        del tensors["model.norm.weight"]
        tensors["scalar"] = torch.tensor(3.0)
        tensors["empty"] = torch.empty(0, 4)
        tensors["eight"] = torch.tensor([[1, -128]], dtype=torch.int8)
        tensors["bits"] = torch.tensor([True, False])
        tensors["model.layers.0.mlp.up_proj.weight"][0, 0] = 255  # no codes
        tensors["lm_head.weight"] = tensors["lm_head.weight"].bfloat16()

    change_tensors(tuned, change)
    assert_restores(base, tuned, tmp_path)


def test_minus_zero_is_kept(tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model("llama"), tmp_path, "dense")
    name = "model.layers.0.mlp.up_proj.weight"

    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors[name][tensors[name] == 0] *= -1.0

    change_tensors(tuned, change)
    assert_restores(base, tuned, tmp_path)
    assert PatchFile(tmp_path / "patch").manifest["changes"][name]["how"] == "difference"


def test_equal_folders_make_an_empty_patch(tmp_path: Path) -> None:
    base, _ = save_pair(ternary_model("llama"), tmp_path)
    report = diff_checkpoints(base, base, tmp_path / "patch")
    assert PatchFile(tmp_path / "patch").manifest["changes"] == {}
    assert report.all_flips.flips == 0 and report.dense_bytes == 0
    patch_checkpoint(base, tmp_path / "patch", tmp_path / "restored")
    assert contents(tmp_path / "restored") == contents(base)


def test_the_report_counts_what_was_flipped(tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model("llama"), tmp_path)
    change_tensors(base, lambda tensors: None)
    before, after = open_checkpoint(base), open_checkpoint(tuned)
    name = "model.layers.{}.mlp.up_proj.weight"
    from bitsft.ternary.pack import unpack_codes

    flipped = sum(
        int((unpack_codes(before.read(n)) != unpack_codes(after.read(n))).sum())
        for n in (name.format(0), name.format(1))
    )
    (tuned / "checkpoint-1").mkdir()
    report = diff_checkpoints(base, tuned, tmp_path / "patch")
    assert report.flips["up_proj"].codes == 2 * 64 * 32
    assert report.flips["up_proj"].flips == flipped > 100
    assert report.changed_files == ["config.json", "notes.txt"]
    assert report.left_out == ["checkpoint-1"]
    assert report.patch_bytes == (tmp_path / "patch").stat().st_size
    assert "checkpoint-1" in str(report) and f"{flipped / 4096:.4%} of 4,096 codes" in str(report)


def test_any_safetensors_reader_opens_a_patch(tmp_path: Path) -> None:
    diff_checkpoints(*save_pair(ternary_model("llama"), tmp_path), tmp_path / "patch")
    with safe_open(tmp_path / "patch", "pt") as file:
        assert set(file.keys()) == {"manifest", "flips", "differences", "files"}
        assert file.metadata()["format"] == "bitsft-patch"


def test_a_wrong_base_is_refused(tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model("llama"), tmp_path)
    diff_checkpoints(base, tuned, tmp_path / "patch")
    with pytest.raises(ValueError, match="is not the base of"):
        patch_checkpoint(tuned, tmp_path / "patch", tmp_path / "out")
    (base / "tokenizer.json").write_text("{ }")
    with pytest.raises(ValueError, match="tokenizer.json is another file"):
        patch_checkpoint(base, tmp_path / "patch", tmp_path / "out")
    (base / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="tokenizer.json is missing"):
        patch_checkpoint(base, tmp_path / "patch", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_changed_config_in_the_base_is_refused(tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model("llama"), tmp_path)
    diff_checkpoints(base, tuned, tmp_path / "patch")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "another": 1}))
    with pytest.raises(ValueError, match="cannot make config.json.*Nothing was written"):
        patch_checkpoint(base, tmp_path / "patch", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    base, tuned = save_pair(ternary_model("llama"), tmp_path)
    diff_checkpoints(base, tuned, tmp_path / "patch")
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        diff_checkpoints(base, tuned, tmp_path / "patch")
    diff_checkpoints(base, tuned, tmp_path / "patch", overwrite=True)
    with pytest.raises(ValueError, match="is a folder; name the file to write"):
        diff_checkpoints(base, tuned, tmp_path, overwrite=True)
    with pytest.raises(FileExistsError, match="is not empty"):
        patch_checkpoint(base, tmp_path / "patch", tuned)
    patch_checkpoint(base, tmp_path / "patch", base, overwrite=True)
    assert contents(base) == contents(tuned), "a base may be replaced by what is made of it"


@pytest.mark.parametrize("folder", ["base", "tuned"])
def test_a_patch_lies_in_neither_folder(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tuned = save_pair(ternary_model("llama"), tmp_path)
    inside = {"base": base, "tuned": tuned}[folder]
    before = contents(inside)
    monkeypatch.chdir(inside)
    for output in (Path("task.patch"), inside / "task.patch"):
        with pytest.raises(ValueError, match=f"among the files of .*{inside.name}.*--output"):
            diff_checkpoints(base, tuned, output, overwrite=True)
    assert contents(inside) == before
    (inside / "patches").mkdir()  # folders in it are no part of a checkpoint
    diff_checkpoints(base, tuned, inside / "patches" / "task.patch")


@pytest.fixture(scope="module")
def small_patch(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    root = tmp_path_factory.mktemp("patch")
    torch.manual_seed(0)
    base, tuned = save_pair(ternary_model("llama"), root)
    diff_checkpoints(base, tuned, root / "patch")
    return root, (root / "patch").read_bytes()


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_patch_is_refused(small_patch: tuple[Path, bytes], data: st.DataObject) -> None:
    root, whole = small_patch
    kind = data.draw(st.sampled_from(["cut", "bit", "bit of the header", "longer", "other bytes"]))
    if kind == "cut":
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    elif kind == "longer":
        damaged = whole + data.draw(st.binary(min_size=1, max_size=9))
    elif kind == "other bytes":
        damaged = data.draw(st.binary(max_size=200))
    else:
        last = 400 if kind == "bit of the header" else len(whole) - 1
        changed = bytearray(whole)
        changed[data.draw(st.integers(0, last))] ^= 1 << data.draw(st.integers(0, 7))
        damaged = bytes(changed)
    (root / "damaged").write_bytes(damaged)
    with pytest.raises(ValueError, match="is no whole patch|is a patch of version"):
        patch_checkpoint(root / "base", root / "damaged", root / "out")
    assert not (root / "out").exists()


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", ".hidden", "a/b", "..", ""])
def test_a_patch_writes_nowhere_else(
    name: str, small_patch: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bitsft.patches.patch_file import check_manifest

    manifest = PatchFile(small_patch[0] / "patch").manifest
    manifest["files"][0]["name"] = name
    with pytest.raises(ValueError, match="is not the name of a file in a folder"):
        check_manifest(manifest)


def test_a_missing_patch_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is no file"):
        patch_checkpoint(tmp_path, tmp_path / "nowhere", tmp_path / "out")


def test_a_killed_run_leaves_no_folder(small_patch: tuple[Path, bytes], tmp_path: Path) -> None:
    root, _ = small_patch
    code = (
        "import os, signal, sys\n"
        "from bitsft.patches import restore\n"
        "restore.sha256_of = lambda path: os.kill(os.getpid(), signal.SIGKILL)\n"
        "restore._check_base = lambda *a: None\n"
        "restore.patch_checkpoint(sys.argv[1], sys.argv[2], sys.argv[3])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, root / "base", root / "patch", tmp_path / "out"],
        env={**os.environ},
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-500:]
    assert not (tmp_path / "out").exists()


def test_memory_is_a_few_tensors_not_the_model(tmp_path: Path) -> None:
    """40 matrices of 0.26 MB; what Python allocates for tensors at a time stays far below them."""
    import tracemalloc

    from safetensors.torch import save_file

    for folder, seed in (("base", 0), ("tuned", 1)):
        torch.manual_seed(seed)
        (tmp_path / folder).mkdir()
        tensors = {f"{i}.weight": torch.randn(256, 256) for i in range(40)}
        save_file(tensors, tmp_path / folder / "model.safetensors", metadata={"format": "pt"})
    alive: list[int] = []
    from bitsft.patches import restore

    original = restore.read_change

    def counted(*arguments):  # type: ignore[no-untyped-def]
        alive.append(tracemalloc.get_traced_memory()[1])
        return original(*arguments)

    diff_checkpoints(tmp_path / "base", tmp_path / "tuned", tmp_path / "patch")
    tracemalloc.start()
    restore.read_change = counted
    try:
        patch_checkpoint(tmp_path / "base", tmp_path / "patch", tmp_path / "restored")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        restore.read_change = original
        tracemalloc.stop()
    assert len(alive) == 40
    assert peak < 5e6, "the patch alone has 10 MB"
    assert contents(tmp_path / "restored") == contents(tmp_path / "tuned")
