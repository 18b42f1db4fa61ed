"""`ternary_base.json`, beside an adapter's adapter_config.json: which ternary base it was trained on.

    format           1
    identity, codes  SHA-256 of the base's ternary weights, with γ and without   (checkpoint/identity.py)
    model, class     path or Hub id of the base, as the trainer got it, and its class
    granularity, activation_bits
    layers           γ of each ternary layer by name (the mean of its rows' where each row has its own)

An adapter belongs on the base with the same identity. One whose codes are the same, and whose γ differ by no more than
rounding to bfloat16 does (2⁻⁸), is the same model loaded in another dtype, and is taken, too, which is logged.
"""

import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from peft import PeftModel
from transformers import PreTrainedModel

from bitsft.checkpoint.identity import TernaryIdentity, identity_of
from bitsft.data.common.atomic import atomic_path
from bitsft.ternary.quantize import Granularity

logger = logging.getLogger(__name__)

BASE_FILE = "ternary_base.json"
_FORMAT = 1
_ROUNDING = 2**-8


@dataclass(frozen=True)
class TernaryBase:
    """What `ternary_base.json` says.

    Attributes:
        identity: The base's ternary weights.
        model: Path or Hub id of the base; empty where it had none.
        model_class: Name of its class.
    """

    identity: TernaryIdentity
    model: str
    model_class: str

    def __str__(self) -> str:
        named = f"{self.model} ({self.model_class})" if self.model else self.model_class
        return f"{named}, identity {self.identity.sha256[:12]}"


def base_of_model(model: PreTrainedModel | PeftModel) -> TernaryBase:
    """The base of a model in memory, itself or below its adapters.

    Args:
        model: A ternary model, with adapters or without.

    Raises:
        ValueError: It has no ternary layer, or a weight holds NaN or infinite values.
    """
    bare = model.get_base_model() if isinstance(model, PeftModel) else model
    name = str(getattr(bare, "name_or_path", "") or "")
    return TernaryBase(identity_of(model), name, type(bare).__name__)


def write_base(base: TernaryBase, folder: Path) -> None:
    """Write `ternary_base.json` into an adapter's folder."""
    identity = base.identity
    record = {
        "format": _FORMAT,
        "identity": identity.sha256,
        "codes": identity.codes_sha256,
        "model": base.model,
        "class": base.model_class,
        "granularity": identity.granularity,
        "activation_bits": identity.activation_bits,
        "weights": identity.weights,
        "layers": identity.scales,
    }
    text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
    with atomic_path(folder / BASE_FILE) as path:
        path.write_text(text, encoding="utf-8")


def read_base(folder: Path) -> TernaryBase | None:
    """What an adapter's folder says of its base; None where it has no `ternary_base.json`.

    Raises:
        ValueError: The file is damaged, or of a format that this version does not know.
    """
    path = folder / BASE_FILE
    if not path.is_file():
        return None
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError("it holds no JSON object")
        if record.get("format") != _FORMAT:
            raise ValueError(f"format is {record.get('format')!r}, this bitsft knows {_FORMAT}")
        return TernaryBase(_identity(record), _text(record, "model"), _text(record, "class"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}). Fetch the adapter again, or update bitsft."
        ) from error


def check_base(
    needed: TernaryBase, given: TernaryBase | PreTrainedModel | PeftModel, adapter: str
) -> None:
    """Refuse a base that an adapter was not trained on.

    Args:
        needed: What the adapter's folder says.
        given: The base, which may carry adapters already, or what `base_of_model` gave for it.
        adapter: Path or name of the adapter, for messages.

    Raises:
        ValueError: The base has no ternary layer, or other ternary weights.
    """
    start = f"The adapter {adapter} was trained on the ternary base {needed}"
    try:
        found = given if isinstance(given, TernaryBase) else base_of_model(given)
    except ValueError as error:
        raise ValueError(f"{start}; the base given does not do: {error}") from error
    if found.identity.sha256 == needed.identity.sha256:
        return
    remedy = f"Load it onto {needed.model or 'that base'}, or train an adapter on this one."
    other_layers = found.identity.scales.keys() != needed.identity.scales.keys()
    if found.identity.codes_sha256 != needed.identity.codes_sha256 or other_layers:
        raise ValueError(
            f"{start}, not on {found}: {_difference(needed.identity, found.identity)}. {remedy}"
        )
    there, here = needed.identity.granularity, found.identity.granularity
    if there != here:
        raise ValueError(
            f"{start} with granularity={there!r}, not on {found} with granularity={here!r}: the codes are the same, but one "
            f"has a weight scale γ per row. Load the base with granularity={there!r}, or train an adapter on this one."
        )
    farthest = max(
        abs(scale - found.identity.scales[name]) / max(scale, 1e-30)
        for name, scale in needed.identity.scales.items()
    )
    if farthest > _ROUNDING:
        raise ValueError(
            f"{start}, not on {found}: the codes are the same, but weight scales γ differ (by up to {farthest:.2%}). {remedy}"
        )
    logger.warning(
        "The adapter %s was trained on this base with γ rounded (they differ by up to %.2f %%), as loading in bfloat16 or "
        "float16 does; its codes are the same.",
        adapter,
        100 * farthest,
    )


def _difference(needed: TernaryIdentity, found: TernaryIdentity) -> str:
    missing = [name for name in needed.scales if name not in found.scales]
    if missing or len(found.scales) != len(needed.scales):
        return f"that has {len(needed.scales)} ternary layers, this {len(found.scales)}" + (
            f", {missing[0]!r} not among them" if missing else ""
        )
    return (
        f"the ternary weights ({needed.weights:,} there, {found.weights:,} here) have other codes"
    )


def _identity(record: dict[str, Any]) -> TernaryIdentity:
    layers, bits = record.get("layers"), record.get("activation_bits")
    granularity, weights = record.get("granularity"), record.get("weights")
    if not isinstance(layers, dict) or not all(
        isinstance(scale, int | float) and math.isfinite(scale) for scale in layers.values()
    ):
        raise ValueError("layers is no object of scales by name")
    if (
        not isinstance(granularity, str)
        or granularity not in (*get_args(Granularity), "mixed")
        or bits not in (8, None, "mixed")
    ):
        raise ValueError(f"granularity is {granularity!r} and activation_bits {bits!r}")
    if type(weights) is not int:
        raise ValueError(f"weights is {weights!r}, not a count")
    scales = {name: float(scale) for name, scale in layers.items()}
    sha256, codes = _text(record, "identity"), _text(record, "codes")
    return TernaryIdentity(sha256, codes, scales, granularity, bits, weights)


def _text(record: dict[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, not a text")
    return value
