"""`diff_checkpoints`: what leads from one checkpoint folder to another, as a small file.

Both folders are read tensor by tensor; no model is loaded. Each tensor is compared byte for byte, and written in the way that
tensors.py finds for it. Any two folders with safetensors weights do, in whatever form they are; a patch is small where both
hold codes (packed, int8, or floats on the grid). Of master weights nearly all bits change, so theirs is about as large as
they are: pack both first.
"""

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

from torch import Tensor
from tqdm.auto import tqdm

from bitsft.checkpoint.files import read_config
from bitsft.checkpoint.hub_folder import model_folder
from bitsft.checkpoint.identity import TernaryIdentity, identity_of
from bitsft.checkpoint.safetensors_header import DTYPE_NAMES
from bitsft.checkpoint.stored_form import stored_form
from bitsft.checkpoint.stored_tensors import StoredForm
from bitsft.patches.codecs import compress
from bitsft.patches.folder import (
    SHORT_HASH,
    CheckpointFolder,
    header_of,
    in_order,
    look_into,
    tensors_identity,
)
from bitsft.patches.patch_file import PatchWriter
from bitsft.patches.report import PatchReport, report_on
from bitsft.patches.tensors import data_of, write_change

logger = logging.getLogger(__name__)


def diff_checkpoints(
    base: str | os.PathLike[str],
    tuned: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    trust_remote_code: bool = False,
    progress: bool = True,
) -> PatchReport:
    """Write the patch that leads from a base to what was tuned from it.

    Args:
        base: A checkpoint folder with safetensors weights, or a Hub id.
        tuned: The same, of the fine-tuned model; best in the base's form (`bitsft export`).
        output: The file to write; it appears when it is whole.
        overwrite: Replace `output` where it exists.
        trust_remote_code: Allow model code that lies in the folders; it is needed to patch loaded models of such
            architectures, not for folders.
        progress: Whether to show a bar.

    Returns:
        What the patch holds, and its sizes.

    Raises:
        FileNotFoundError: A folder or its weights are missing.
        FileExistsError: `output` exists and `overwrite` is False.
        ValueError: Damaged files in a folder; `output` is a folder, or would lie among the files of one of the two.
        OSError: The disk is full, say.
    """
    path = Path(output)
    if path.is_dir():
        raise ValueError(
            f"{path} is a folder; name the file to write, {path / 'task.patch.safetensors'} for example."
        )
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{path} exists; pass overwrite=True (--overwrite) to replace it, or choose another name."
        )
    after = look_into(model_folder(tuned, beside=("*",)))
    before = look_into(model_folder(base, beside=after.others))
    _check_lies_apart(path, before, after)
    both = before.files.total_bytes + after.files.total_bytes
    with (
        PatchWriter() as writer,
        tqdm(
            total=both, unit="B", unit_scale=True, desc="Comparing", disable=not progress, delay=1
        ) as bar,
    ):
        maker = _Maker(writer, before, after, bar, trust_remote_code)
        manifest = maker.manifest()
        writer.write(path, manifest)
        report = report_on(path, manifest, maker.kinds, after)
    if report.not_for_loaded_models:
        logger.warning(
            "%s patches folders, not loaded models: %s", path, report.not_for_loaded_models
        )
    return report


def _check_lies_apart(path: Path, *folders: CheckpointFolder) -> None:
    for folder in folders:
        if path.resolve().parent == folder.path.resolve():
            raise ValueError(
                f"{path} would lie among the files of {folder.path}, and the next comparison would take it for one of "
                "them. Write it elsewhere (--output)."
            )


class _Maker:
    """One comparison: the manifest, and the parts in the writer."""

    def __init__(
        self,
        writer: PatchWriter,
        base: CheckpointFolder,
        tuned: CheckpointFolder,
        bar: Any,
        trust_remote_code: bool,
    ) -> None:
        self.writer, self.base, self.tuned, self.bar = writer, base, tuned, bar
        self.changes: dict[str, dict[str, Any]] = {}
        self.kinds: dict[str, int] = {}  # tensor with flips -> its codes
        self._base_hashes: dict[str, bytes] = {}
        self._tuned_hashes: dict[str, bytes] = {}
        self._forms: list[tuple[StoredForm, TernaryIdentity]] = []
        self._refused = ""
        try:
            for folder in (base, tuned):
                form = stored_form(folder.files, read_config(folder.path))
                identity = identity_of(folder.path, trust_remote_code=trust_remote_code)
                self._forms.append((form, identity))
        except (ValueError, OSError, ImportError) as error:
            self._refused = f"load_ternary does not read {folder.path.name}: {error}"

    def manifest(self) -> dict[str, Any]:
        files = [self._other_file(name) for name in self.tuned.others]
        files += [self._weights(name) for name in self.tuned.weights]
        for name in self.base.files.names:
            if name not in self._base_hashes:
                self._read_base(name)
        base = self.base.files
        identity = tensors_identity(
            (name, DTYPE_NAMES[base.dtype(name)], base.shape(name), digest)
            for name, digest in self._base_hashes.items()
        )
        refused = self._refused or self._not_for_loaded_models()
        return {
            "base": identity,
            "files": files,
            "changes": self.changes,
            "loaded": {"refused": refused} if refused else self._for_loaded_models(),
        }

    def _other_file(self, name: str) -> dict[str, Any]:
        data = (self.tuned.path / name).read_bytes()
        entry = {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        before = self.base.path / name
        old = before.read_bytes() if name in self.base.others else b""
        if name in self.base.others and old == data:
            return {**entry, "same": True}
        codec, packed = compress(data, "file", old)
        return {**entry, **self.writer.add("files", packed), "codec": codec}

    def _weights(self, name: str) -> dict[str, Any]:
        path = self.tuned.path / name
        header = header_of(path)
        old = header_of(self.base.path / name) if name in self.base.weights else b""
        codec, packed = compress(header, "file", old)
        place = {**self.writer.add("files", packed), "codec": codec, "bytes": len(header)}
        digest = hashlib.sha256(header)
        for tensor in in_order(header):
            value = self.tuned.files.read(tensor)
            digest.update(data_of(value))
            self.bar.update(value.nbytes)
            self._compare(tensor, value)
        return {
            "name": name,
            "bytes": path.stat().st_size,
            "sha256": digest.hexdigest(),
            "header": place,
        }

    def _compare(self, name: str, value: Tensor) -> None:
        before = self._read_base(name) if name in self.base.files else None
        self._tuned_hashes[name] = hashlib.sha256(data_of(value)).digest()
        same_kind = before is not None and (before.dtype, before.shape) == (
            value.dtype,
            value.shape,
        )
        if same_kind and self._base_hashes[name] == self._tuned_hashes[name]:
            return
        layer = name.rpartition(".")[0]
        known = not self._forms or layer in self._forms[0][1].scales
        self.changes[name] = write_change(
            self.writer,
            name,
            before,
            value,
            has_scale=f"{layer}.weight_scale" in self.tuned.files,
            ternary=known and name.endswith(".weight"),
        )
        if self.changes[name]["how"] == "flips":
            packed = self.changes[name]["codes"] == "packed"
            self.kinds[name] = value.numel() * (4 if packed else 1)

    def _read_base(self, name: str) -> Tensor:
        value = self.base.files.read(name)
        self._base_hashes[name] = hashlib.sha256(data_of(value)).digest()
        self.bar.update(value.nbytes)
        return value

    def _not_for_loaded_models(self) -> str:
        """Why a loaded base cannot become the tuned model; empty where it can."""
        (form, identity), (tuned_form, tuned_identity) = self._forms
        if form.kind != tuned_form.kind or form.convention != tuned_form.convention:
            return (
                f"the base is stored as {form.kind!r} and the tuned model as {tuned_form.kind!r}."
            )
        if form.kind == "online":
            return "both hold master weights, whose codes stand nowhere; export both (bitsft export) and compare those."
        if identity.granularity != tuned_identity.granularity:
            return "one has a scale per matrix and the other one per row."
        before, after = self.base.files, self.tuned.files
        for name in dict.fromkeys([*before.names, *after.names]):
            if name not in before or name not in after:
                return f"tensor {name!r} is in one of the folders only."
            if before.shape(name) != after.shape(name) or before.dtype(name) != after.dtype(name):
                return f"tensor {name!r} has another shape or dtype in the two."
        autobitlinear = form.quantization_config.get("linear_class") == "autobitlinear"
        for layer in identity.scales:
            name = f"{layer}.weight"
            if name not in before:
                return f"{name!r} is stored under another name."
            if self.changes.get(name, {"how": "flips"})["how"] != "flips":
                return f"the weight of {layer} is not γ·code in both folders."
            if (
                autobitlinear
                and f"{layer}.bias" in before
                and f"{layer}.weight_scale" in self.changes
            ):
                return f"the bias of {layer} is stored divided by γ (AutoBitLinear)."
        return ""

    def _for_loaded_models(self) -> dict[str, Any]:
        (form, identity), (_, tuned_identity) = self._forms
        ternary = {
            f"{layer}.{kind}" for layer in identity.scales for kind in ("weight", "weight_scale")
        }
        dense: dict[str, list[str]] = {}
        for name in self.base.files.names:
            if name in ternary:
                continue
            hashes = [self._base_hashes[name].hex()[:SHORT_HASH]]
            if name in self.changes:
                hashes.append(self._tuned_hashes[name].hex()[:SHORT_HASH])
            dense[name] = [DTYPE_NAMES[self.base.files.dtype(name)], *hashes]
        return {
            "ternary": [identity.sha256, tuned_identity.sha256],
            "convention": form.convention,
            "dense": dense,
        }
