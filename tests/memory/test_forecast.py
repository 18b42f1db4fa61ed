"""Forecasts: sums worked out by hand, and what real trainings allocate."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import LlamaConfig, PreTrainedTokenizerFast, TrainerCallback

from bitsft import TernarySFTConfig, TernarySFTTrainer, predict_memory
from bitsft.memory import METHODS
from bitsft.memory.live_bytes import LiveBytes
from bitsft.scratch import new_llama

LINEAR, DENSE, LAYERS = 2 * 36_864, 16_384 + 320, 14
ADAPTERS = 2 * 16 * (128 + 96 + 96 + 128 + 3 * 192)


@pytest.mark.parametrize(
    ("method", "weights", "codes", "dense", "adapters", "optimizer"),
    [
        ("latent", 4 * LINEAR, LINEAR, 4 * DENSE, 0, 8 * (LINEAR + DENSE)),
        ("lora-packed", LINEAR // 4 + 4 * LAYERS, 0, 2 * DENSE, 4 * ADAPTERS, 8 * ADAPTERS),
        (
            "qlora",
            LINEAR // 2 + LINEAR // 64 + 4 * LAYERS,
            0,
            2 * DENSE,
            2 * ADAPTERS,
            4 * ADAPTERS,
        ),
        ("lora", 2 * LINEAR, 0, 2 * DENSE, 4 * ADAPTERS, 8 * ADAPTERS),
    ],
)
def test_what_is_kept_is_the_sum_over_the_shapes(
    small_config: LlamaConfig,
    method: str,
    weights: int,
    codes: int,
    dense: int,
    adapters: int,
    optimizer: int,
) -> None:
    parts = predict_memory(small_config, method, 1, 32).parts
    found = [
        parts[name]
        for name in (
            "ternary weights",
            "held codes",
            "dense weights",
            "adapters",
            "optimizer state",
        )
    ]
    assert found == [weights, codes, dense, adapters, optimizer]


def test_packed_and_nf4_bases_are_under_055_bytes_a_weight(small_config: LlamaConfig) -> None:
    packed, nf4, int8 = (
        predict_memory(small_config, method, 1, 32, **options).base_bytes_a_weight
        for method, options in (
            ("lora-packed", {}),
            ("qlora", {}),
            ("lora-packed", {"codes_in_memory": "int8"}),
        )
    )
    assert packed == pytest.approx(0.25, abs=0.001)
    assert nf4 == pytest.approx(0.516, abs=0.001)
    assert int8 == pytest.approx(1.0, abs=0.001)
    assert packed / nf4 <= 0.55


def test_the_peak_is_the_largest_moment_and_the_sum_of_its_parts(small_config: LlamaConfig) -> None:
    forecast = predict_memory(small_config, "stochastic", 2, 64)
    assert forecast.peak == max(forecast.moments.values()) == sum(forecast.parts.values())
    assert forecast.moments[forecast.moment] == forecast.peak
    assert forecast.total == forecast.peak + 500_000_000
    assert forecast.as_dict()["peak"] == forecast.peak


def test_activations_grow_with_tokens_and_shrink_when_they_are_recomputed(
    small_config: LlamaConfig,
) -> None:
    kept, recomputed = (
        predict_memory(small_config, "lora", 2, 256, gradient_checkpointing=checkpointing)
        for checkpointing in (False, True)
    )
    assert kept.moments["output head"] - recomputed.moments["output head"] > 4_000_000
    shorter = predict_memory(small_config, "lora", 2, 128)
    assert shorter.peak < recomputed.peak


def test_options(small_config: LlamaConfig) -> None:
    plain = predict_memory(small_config, "latent", 1, 32)
    taught = predict_memory(small_config, "latent", 1, 32, teacher=small_config)
    assert taught.peak - plain.peak == taught.parts["teacher"] == 2 * (LINEAR + DENSE)
    half = predict_memory(small_config, "latent", 1, 32, dtype=torch.bfloat16, optim="sgd")
    assert half.parts["optimizer state"] == 0
    assert half.parts["ternary weights"] == 2 * LINEAR
    assert predict_memory(small_config, "lora", 1, 32, rank=8).parts["adapters"] == 2 * ADAPTERS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "full"}, "method is 'full'; use one of latent"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"length": 0}, "length is 0"),
        ({"rank": 0}, "rank is 0"),
        ({"device": "tpu"}, "device is 'tpu'"),
        ({"codes_in_memory": "int4"}, "codes_in_memory is 'int4'"),
        ({"optim": "galore_adamw"}, "optim is 'galore_adamw'"),
        ({"method": "stochastic", "optim": "sgd"}, "brings its own optimizer"),
    ],
)
def test_refusals(small_config: LlamaConfig, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predict_memory(small_config, **arguments)


def test_no_config_json(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        predict_memory(tmp_path)


def test_global_state_stays(small_config: LlamaConfig) -> None:
    before = torch.get_rng_state(), torch.get_default_dtype(), small_config.to_dict()
    predict_memory(small_config, "lora-packed", 1, 32)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_default_dtype() is before[1]
    assert small_config.to_dict() == before[2]


@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize("method", ["latent", "stochastic", "lora-packed"])
def test_real_steps_allocate_what_was_foretold(
    method: str, checkpointing: bool, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    from peft import LoraConfig

    from bitsft.ternary import replace_linear_with_bitlinear
    from bitsft.ternary.packed_model import pack_model

    model = new_llama(tiny_tokenizer, hidden_size=64, layers=3, heads=4).to(METHODS[method].dtype)
    foretold = predict_memory(model, method, 2, 96, gradient_checkpointing=checkpointing)
    peft_config = None
    if method == "lora-packed":
        pack_model(replace_linear_with_bitlinear(model))
        peft_config = LoraConfig(r=16, lora_dropout=0.05, target_modules="all-linear")
    args = TernarySFTConfig(
        str(tmp_path),
        projection="stochastic" if method == "stochastic" else "latent",
        max_steps=3,
        max_length=96,
        per_device_train_batch_size=2,
        gradient_checkpointing=checkpointing,
        save_strategy="no",
        report_to="none",
        logging_steps=1000,
        run_record=False,
        disable_tqdm=True,
    )
    rows = Dataset.from_list([{"input_ids": list(range(10, 106))}] * 8)
    trainer = TernarySFTTrainer(
        model, args, train_dataset=rows, processing_class=tiny_tokenizer, peft_config=peft_config
    )
    live = LiveBytes()
    for tensor in (*trainer.model.parameters(), *trainer.model.buffers()):
        live.add(tensor)
    peaks = []

    class Watch(TrainerCallback):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            live.start()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            peaks.append(live.peak)

    trainer.add_callback(Watch())
    with live:
        trainer.train()
    assert foretold.peak == pytest.approx(peaks[1], rel=0.1)
