"""The cache in the trainer: the same training as with the teacher at hand, and without it afterwards."""

import shutil
from pathlib import Path

import pytest
import torch
from datasets import Dataset, IterableDataset
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.scratch import new_llama
from bitsft.training.distillation.cache.store import CacheStore
from bitsft.training.distillation.cache.teacher_cache import TeacherCache
from tests.training.conftest import MakeTrainer

ROWS = Dataset.from_list(
    [{"prompt": f"### 질문: {n} 다음 수는?", "completion": f" {n + 1}"} for n in range(6)]
)


def teacher_of(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(5)
    teacher = new_llama(tokenizer, hidden_size=48, layers=1, heads=4, max_length=256)
    with torch.no_grad():
        teacher.lm_head.weight.mul_(20)
    return teacher


@pytest.fixture
def teacher(tiny_tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return teacher_of(tiny_tokenizer)


@pytest.fixture
def saved_teacher(
    tmp_path: Path, teacher: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast
) -> str:
    folder = tmp_path / "teacher"
    teacher.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return str(folder)


def logged(trainer: object, name: str) -> list[float]:
    return [log[name] for log in trainer.state.log_history if name in log]  # type: ignore[attr-defined]


@pytest.mark.parametrize("divergence", ["forward", "reverse", "js"])
def test_with_all_words_but_one_it_trains_as_with_the_teacher(
    make_trainer: MakeTrainer, tmp_path: Path, teacher: LlamaForCausalLM, divergence: str
) -> None:
    # The rest is then one word, so nothing is made coarse; float16 is what remains.
    settings = {
        "distillation_divergence": divergence,
        "distillation_temperature": 2.0,
        "distillation_weight": 0.9,
    }
    plain = make_trainer(None, ROWS, {"teacher_model": teacher}, **settings)
    plain.train()
    cached = make_trainer(
        None,
        ROWS,
        {"teacher_model": teacher},
        distillation_cache=str(tmp_path / "cache"),
        distillation_top_k=teacher.config.vocab_size - 1,
        **settings,
    )
    cached.train()
    assert logged(plain, "distillation")[0] > 0.05
    assert logged(cached, "distillation") == pytest.approx(logged(plain, "distillation"), rel=3e-3)
    assert logged(cached, "loss") == pytest.approx(logged(plain, "loss"), rel=3e-3)


@pytest.mark.parametrize(("temperature", "warned"), [(2.0, True), (1.0, False)])
def test_a_cache_at_a_high_temperature_is_warned_of(
    make_trainer: MakeTrainer,
    tmp_path: Path,
    teacher: LlamaForCausalLM,
    caplog: pytest.LogCaptureFixture,
    temperature: float,
    warned: bool,
) -> None:
    make_trainer(
        None,
        ROWS,
        {"teacher_model": teacher},
        distillation_cache=str(tmp_path / "cache"),
        distillation_temperature=temperature,
    )
    assert ("keeps 64 words of each token; at temperature 2" in caplog.text) is warned


def test_a_second_run_never_loads_the_teacher(
    make_trainer: MakeTrainer, tmp_path: Path, saved_teacher: str
) -> None:
    config = {"distillation_cache": str(tmp_path / "cache"), "distillation_top_k": 16}
    first = make_trainer(None, ROWS, {"teacher_model": saved_teacher}, **config)
    first.train()
    shutil.rmtree(saved_teacher)
    packed = {"packing": True, "max_length": 64, "per_device_train_batch_size": 1}
    for further in ({}, packed):
        second = make_trainer(None, ROWS, {"teacher_model": saved_teacher}, **config, **further)
        second.train()
        assert len(logged(second, "distillation")) == 4
        if not further:
            assert logged(second, "loss") == logged(first, "loss")


def test_another_temperature_or_teacher_is_refused(
    make_trainer: MakeTrainer, tmp_path: Path, saved_teacher: str, teacher: LlamaForCausalLM
) -> None:
    config = {"distillation_cache": str(tmp_path / "cache"), "distillation_top_k": 16}
    make_trainer(None, ROWS, {"teacher_model": saved_teacher}, max_steps=1, **config).train()
    with pytest.raises(ValueError, match=r"temperature: 2\.0 there, 1\.0 here"):
        make_trainer(
            None, ROWS, {"teacher_model": saved_teacher}, distillation_temperature=1.0, **config
        )
    with torch.no_grad():
        teacher.lm_head.weight.mul_(1.01)
    teacher.save_pretrained(saved_teacher)
    with pytest.raises(
        ValueError, match=r"teacher\.files\.model\.safetensors: [0-9a-f]{12}… there"
    ):
        make_trainer(None, ROWS, {"teacher_model": saved_teacher}, **config)


def test_another_vocabulary_is_refused_without_the_teacher(
    make_trainer: MakeTrainer,
    tmp_path: Path,
    saved_teacher: str,
    tiny_tokenizer: PreTrainedTokenizerFast,
) -> None:
    config = {"distillation_cache": str(tmp_path / "cache"), "distillation_top_k": 16}
    make_trainer(None, ROWS, {"teacher_model": saved_teacher}, max_steps=1, **config).train()
    tiny_tokenizer.add_tokens(["새낱말"])
    with pytest.raises(ValueError, match=r"vocabulary\.hash"):
        make_trainer(None, ROWS, {"teacher_model": saved_teacher}, **config)


def test_a_token_is_neither_written_down_nor_a_difference(
    tmp_path: Path, saved_teacher: str, tiny_tokenizer: PreTrainedTokenizerFast
) -> None:
    def opened(**options: str) -> TeacherCache:
        return TeacherCache(
            tmp_path / "cache",
            saved_teacher,
            tiny_tokenizer,
            top_k=4,
            temperature=1.0,
            teacher_options=options,
        )

    first = opened(dtype="bfloat16", token="a-secret")
    facts = {**first._facts, "vocabulary": {**first._facts["vocabulary"], "size": 300}}
    CacheStore(tmp_path / "cache").begin(facts)
    written = (tmp_path / "cache" / "cache.json").read_text()
    assert "bfloat16" in written and "secret" not in written
    opened(dtype="bfloat16", token="renewed")
    with pytest.raises(ValueError, match="teacher.options: .*bfloat16.* there"):
        opened(dtype="float32")


def test_streams_are_refused(
    make_trainer: MakeTrainer, tmp_path: Path, teacher: LlamaForCausalLM
) -> None:
    stream: IterableDataset = ROWS.to_iterable_dataset()
    with pytest.raises(ValueError, match="train_dataset is a IterableDataset, which streams"):
        make_trainer(
            None, stream, {"teacher_model": teacher}, distillation_cache=str(tmp_path / "cache")
        )


def test_more_words_than_there_are_cannot_be_kept(
    make_trainer: MakeTrainer, tmp_path: Path, teacher: LlamaForCausalLM
) -> None:
    words = teacher.config.vocab_size
    trainer = make_trainer(
        None,
        ROWS,
        {"teacher_model": teacher},
        distillation_cache=str(tmp_path / "cache"),
        distillation_top_k=words,
    )
    with pytest.raises(ValueError, match=f"Use {words - 1} or less"):
        trainer.train()
    assert not (tmp_path / "cache").exists()
