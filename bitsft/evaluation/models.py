"""`load_model`: whatever is to be evaluated, as a model in memory with its tokenizer.

| MODEL                                                  | becomes                                             |
|--------------------------------------------------------|-----------------------------------------------------|
| a folder with packed weights or online master weights  | `load_ternary`: its ternary layers are BitLinear158 |
| a folder in full precision                             | itself; with `ternary=True` what `load_ternary` does |
| a folder in bitsandbytes' 4 or 8 bits                  | itself; its layers compute in bfloat16 or float16    |
| a folder with adapter_config.json (PEFT)               | its base by these rules, and the adapter over it    |
| the same with ternary_base.json                        | `load_adapter`: its ternary base, packed and checked |
| what is no folder and looks like `owner/name`          | fetched from the Hub, then as above                 |
| a model in memory                                      | itself                                              |

Which of the first two a folder is follows from quantization_config in config.json and from the tensors, which
must agree (`bitsft.checkpoint.stored_form`). Nothing but a Hub id that the user names uses the network: the base
of an adapter is fetched only when its adapter_config.json names a Hub id and no folder.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bitsft._extras import require
from bitsft.evaluation.identity import identity_of_files, identity_of_model, identity_of_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

_TOKENIZER_FILES = ("tokeniz*", "vocab*", "merges*", "*.model", "*.tiktoken")

ADAPTER = "adapter_config.json"
TERNARY_BASE = "ternary_base.json"  # written by TernarySFTTrainer (bitsft/adapters)
_FETCHED = ("*.jinja", "*.model", "*.txt", "adapter_model.safetensors")


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to be evaluated.

    Attributes:
        model: In evaluation mode, on its device.
        tokenizer: Its tokenizer.
        name: The path or Hub id, as the user gave it.
        kind: `"ternary"`, `"dense"`, `"bitsandbytes"`, or one of them with `" + adapter"`.
        dtype: What it computes in, e.g. `"float32"`.
        identity: SHA-256 of what decides its answers, in hex.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    name: str
    kind: str
    dtype: str
    identity: str


def load_model(
    model: "PreTrainedModel | str | os.PathLike[str]",
    *,
    tokenizer: "PreTrainedTokenizerBase | str | os.PathLike[str] | None" = None,
    ternary: bool = False,
    dtype: "torch.dtype | str | None" = None,
    device: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> LoadedModel:
    """Load a model and its tokenizer.

    Args:
        model: A folder, a Hub id, or a model in memory, see above.
        tokenizer: Itself, its folder or its Hub id. None takes the model's folder, for an adapter without one
            that of its base.
        ternary: Make a full-precision model (or the base of an adapter) ternary, as `load_ternary` does.
        dtype: float32, bfloat16 or float16, or `"auto"` for the one in config.json. None means float32 on a CPU,
            `"auto"` elsewhere.
        device: E.g. `"cuda:0"`. None takes a GPU where there is one.
        revision: Branch, tag or commit on the Hub.
        trust_remote_code: Allow model code that lies in the checkpoint.

    Raises:
        FileNotFoundError: No such folder or Hub model, no weights, no tokenizer.
        ValueError: Damaged files, or an option that does not apply.
    """
    import torch

    if not isinstance(model, str | os.PathLike):
        return _in_memory(model, tokenizer, ternary=ternary, dtype=dtype, device=device)
    folder = local_folder(model, revision)
    if tokenizer is not None:
        _refuse_missing(tokenizer)
    _refuse_device(device)
    base = _base_of(folder)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if dtype is None:
        dtype = torch.float32 if torch.device(device).type == "cpu" else "auto"
    if base is not None and (folder / TERNARY_BASE).is_file():
        loaded = _over_ternary_base(folder, base, dtype, device, trust_remote_code)
        kind = "ternary + adapter"
    else:
        loaded = _load(base or folder, ternary, dtype, device, trust_remote_code)
        kind = _kind(loaded)
        if base is not None:
            loaded = _with_adapter(loaded, folder, base, kind)
            kind += " + adapter"
    source: Any = tokenizer
    if source is None:
        source = folder if base is None or (folder / "tokenizer_config.json").is_file() else base
    read = _tokenizer(source, trust_remote_code, named=tokenizer is not None)
    files = [folder] if base is None else [folder, base]
    options = f"ternary={ternary}"
    if isinstance(source, str | os.PathLike) and Path(source).is_dir():
        files.append(Path(source))
    else:  # in memory, or from the Hub
        options += f" tokenizer={identity_of_tokenizer(read)}"
    found = str(loaded.dtype).removeprefix("torch.")
    identity = identity_of_files(dict.fromkeys(files), options)
    return LoadedModel(loaded.eval(), read, os.fspath(model), kind, found, identity)


def local_folder(name: str | os.PathLike[str], revision: str | None = None) -> Path:
    """The folder of a model: itself, or where its files from the Hub were put.

    Args:
        name: A folder, or a Hub id with its owner; a bare name is a folder that is missing.
        revision: Branch, tag or commit on the Hub.

    Raises:
        FileNotFoundError: There is no such folder, and no model of that name on the Hub.
    """
    from bitsft.checkpoint.hub_folder import model_folder

    path, text = Path(name), os.fspath(name)
    if path.is_file():
        remedy = "give the folder that holds it"
        if path.suffix == ".gguf":
            remedy = (
                "a GGUF file is made for running in llama.cpp; give the folder it was made from"
            )
        raise FileNotFoundError(f"{text}: is a file; {remedy}")
    if not path.is_dir() and not _is_hub_id(text):
        raise FileNotFoundError(
            f"{text}: there is no such folder. Give the folder of a model, or a Hub id (owner/name)"
        )
    return model_folder(name, revision=revision, beside=_FETCHED, ignore_patterns=["*/*"])


def _is_hub_id(text: str) -> bool:
    return text.count("/") == 1 and not text.startswith((".", "~", "/"))


def _refuse_missing(tokenizer: Any) -> None:
    """A tokenizer's bare name is a folder that is missing: the Hub is not asked for it."""
    if not isinstance(tokenizer, str | os.PathLike) or Path(tokenizer).is_dir():
        return
    if not _is_hub_id(os.fspath(tokenizer)):
        raise FileNotFoundError(
            f"{tokenizer}: there is no such folder. Give the folder of a tokenizer, or a Hub id (owner/name): "
            "--tokenizer FOLDER (tokenizer=...)"
        )


def _refuse_device(device: str | None) -> None:
    """A device that torch cannot use is an error before the weights are read."""
    import torch

    if device is None:
        return
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"device={device!r}: torch cannot use it here ({reason}). Give another --device, e.g. cpu, or leave it out"
        ) from error


def has_ternary_layers(model: "torch.nn.Module") -> bool:
    """Whether any layer of a model is ternary."""
    from bitsft.ternary.packed_linear import layers_with_codes

    return bool(layers_with_codes(model))


def _in_memory(
    model: "PreTrainedModel", tokenizer: Any, *, ternary: bool, dtype: Any, device: str | None
) -> LoadedModel:
    given = {"ternary": ternary or None, "dtype": dtype, "device": device}
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"{name}={value!r} is for a model that is loaded here; change the model itself"
            )
    name = str(model.config.name_or_path or type(model).__name__)
    if tokenizer is None and not model.config.name_or_path:
        raise ValueError("give the tokenizer of a model in memory: tokenizer=...")
    read = _tokenizer(tokenizer or name, False, named=True)
    kind = _kind(model)
    kind += " + adapter" if getattr(model, "peft_config", None) else ""
    found = str(model.dtype).removeprefix("torch.")
    return LoadedModel(model, read, name, kind, found, identity_of_model(model, read))


def _base_of(folder: Path) -> Path | None:
    """The base of an adapter's folder, fetched where it has to be; None for any other folder."""
    path = folder / ADAPTER
    if not path.is_file():
        return None
    try:
        base = json.loads(path.read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Save the adapter again") from error
    if not base:
        raise ValueError(
            f"{path} names no base model. Write its folder into base_model_name_or_path there"
        )
    try:
        # a folder as it was called where the adapter was trained, or beside the adapter
        beside = folder / base
        return beside if beside.is_dir() and not Path(base).is_dir() else local_folder(base)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path}: its base model {error}. If it lies elsewhere now, write its folder into "
            "base_model_name_or_path there"
        ) from error


def _kind(model: Any) -> str:
    if has_ternary_layers(model):
        return "ternary"
    return "bitsandbytes" if _is_bitsandbytes(model.config.to_dict()) else "dense"


def _load(folder: Path, ternary: bool, dtype: Any, device: str, trust_remote_code: bool) -> Any:
    from transformers import AutoModelForCausalLM

    from bitsft.checkpoint.files import open_checkpoint, read_config
    from bitsft.checkpoint.load import load_ternary
    from bitsft.checkpoint.stored_form import stored_form

    config = read_config(folder)
    if _is_bitsandbytes(config):
        require("bitsandbytes", "qlora")
        if ternary:
            raise ValueError(
                f"{folder} is stored in bitsandbytes' low precision, from which no ternary model can be made: name the "
                "full-precision model that it was made from, or leave out --ternary (ternary=True)"
            )
        return AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            device_map={"": device},  # 8-bit layers cannot be moved later
            trust_remote_code=trust_remote_code,
            local_files_only=True,
        )
    form = stored_form(open_checkpoint(folder), config)
    if ternary or form.kind != "dense":
        model: Any = load_ternary(folder, dtype=dtype, trust_remote_code=trust_remote_code)
    else:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, trust_remote_code=trust_remote_code, local_files_only=True
        )
    return model.to(device)


def _is_bitsandbytes(config: Mapping[str, Any]) -> bool:
    quantization = config.get("quantization_config")
    return isinstance(quantization, dict) and quantization.get("quant_method") == "bitsandbytes"


def _over_ternary_base(
    folder: Path, base: Path, dtype: Any, device: str, trust_remote_code: bool
) -> Any:
    """An adapter that says which ternary base it belongs on: that is loaded packed, and checked."""
    from bitsft.adapters import load_adapter

    model = load_adapter(base, folder, dtype=dtype, trust_remote_code=trust_remote_code)
    return model.to(device)


def _with_adapter(model: Any, folder: Path, base: Path, kind: str) -> Any:
    from peft import PeftModel

    if kind == "dense":
        logger.warning(
            "%s is an adapter over %s, which is in full precision and stays so. If it was trained over a ternary "
            "base (TernarySFTTrainer), make it ternary here, too: --ternary (ternary=True).",
            folder,
            base,
        )
    return PeftModel.from_pretrained(model, str(folder))


def _tokenizer(source: Any, trust_remote_code: bool, *, named: bool) -> Any:
    from transformers import AutoTokenizer, PreTrainedTokenizerBase

    if isinstance(source, PreTrainedTokenizerBase):
        return source
    remedy = f"{'Give another' if named else 'Name one'}: --tokenizer FOLDER (tokenizer=...)"
    is_folder = Path(source).is_dir()
    if is_folder and not any(any(Path(source).glob(name)) for name in _TOKENIZER_FILES):
        # transformers 5.0 would make one without a vocabulary, from config.json alone
        raise FileNotFoundError(f"{source} holds no tokenizer (no such file). {remedy}")
    try:
        return AutoTokenizer.from_pretrained(
            source, trust_remote_code=trust_remote_code, local_files_only=is_folder
        )
    except (ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise FileNotFoundError(f"{source} holds no tokenizer ({reason}). {remedy}") from error
