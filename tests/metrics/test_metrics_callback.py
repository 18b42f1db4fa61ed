"""GenerationMetricsCallback: contract with the trainer, one generation pass, files, errors."""

import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.trainer_utils import EvalLoopOutput
from trl import SFTConfig, SFTTrainer

from bitsft.metrics import GenerationMetricsCallback, Score, char_f1, exact_match, rouge
from bitsft.metrics import callback as callback_module
from bitsft.metrics.callback import share

ROWS = [
    {"prompt": "### 질문: 수도는 어디인가요?\n\n### 답변:", "completion": " 서울입니다."},
    {"prompt": "한라산은", "completion": " 제주도에 있습니다."},
    {"prompt": "### 질문: 세종대왕은?\n\n### 답변:", "completion": " 한글을 만들었습니다.</s>"},
]
CHAT = [
    {
        "messages": [
            {"role": "user", "content": "안녕하세요"},
            {"role": "assistant", "content": "반갑습니다"},
        ]
    }
]


class ScoringTrainer(SFTTrainer):
    """The contract with a trainer, on the stock one."""

    raw_rows: Any = None

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> EvalLoopOutput:
        output = super().evaluation_loop(*args, **kwargs)
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, GenerationMetricsCallback) and self.raw_rows is not None:
                prefix = kwargs["metric_key_prefix"]
                output.metrics.update(callback.score(self, self.raw_rows, prefix))
        return output


def make_trainer(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    callback: GenerationMetricsCallback,
    rows: list[dict[str, Any]] = ROWS,
    **settings: Any,
) -> ScoringTrainer:
    config = SFTConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        report_to="none",
        disable_tqdm=True,
        per_device_eval_batch_size=2,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        **settings,
    )
    dataset = Dataset.from_list(rows)
    trainer = ScoringTrainer(
        model,
        config,
        train_dataset=dataset,
        eval_dataset=dataset,
        processing_class=tokenizer,
        callbacks=[callback],
    )
    trainer.raw_rows = dataset
    return trainer


def test_one_pass_feeds_every_metric_and_the_keys_carry_the_prefix(
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    callback = GenerationMetricsCallback(
        [partial(rouge, tokenizer="char"), char_f1, exact_match], max_new_tokens=5
    )
    trainer = make_trainer(tiny_llama, tiny_tokenizer, tmp_path, callback)
    batches = []
    generate = tiny_llama.generate
    monkeypatch.setattr(
        tiny_llama, "generate", lambda **s: batches.append(len(s["input_ids"])) or generate(**s)
    )
    with caplog.at_level(logging.INFO, logger="bitsft"):
        first = callback.score(trainer, trainer.raw_rows, "test")
        second = callback.score(trainer, trainer.raw_rows, "test")
    assert batches == [2, 1] * 2  # per_device_eval_batch_size, no pass per metric
    assert list(first) == [
        f"test_{name}"
        for name in (
            "rouge1", "rouge2", "rougeL", "char_f1", "exact_match", "generated_tokens", "finished",
        )
    ]  # fmt: skip
    assert all(type(value) is float for value in first.values())
    assert second == first
    assert (first["test_generated_tokens"], first["test_finished"]) == (5.0, 0.0)
    assert "|tok:char|" in callback.signatures["rouge1"]
    assert callback.signatures["generation"] == "max_new_tokens:5|do_sample:False|rows:3"
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("bitsft")]
    assert len(logged) == len(set(logged)) == 6  # once, not per evaluation


def test_predictions_belong_to_their_rows(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    from bitsft.metrics import generate_completions

    seen: dict[str, Any] = {}

    def spy(predictions: list[str], references: list[str]) -> dict[str, Score]:
        seen.update(predictions=predictions, references=references)
        return {"spy": Score("spy", 0.5, "s")}

    callback = GenerationMetricsCallback([spy], max_new_tokens=4, batch_size=2)
    trainer = make_trainer(tiny_llama, tiny_tokenizer, tmp_path, callback)
    assert callback.score(trainer, ROWS)["eval_spy"] == 0.5
    alone = [
        generate_completions(tiny_llama, tiny_tokenizer, [row["prompt"]], max_new_tokens=4)[0]
        for row in ROWS
    ]
    assert seen["predictions"] == alone
    assert seen["references"] == [" 서울입니다.", " 제주도에 있습니다.", " 한글을 만들었습니다."]
    assert callback.predictions[1] == {
        "prompt": "한라산은",
        "reference": " 제주도에 있습니다.",
        "prediction": alone[1],
    }


def test_messages_use_the_chat_template(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    callback = GenerationMetricsCallback([char_f1], max_new_tokens=4)
    trainer = make_trainer(tiny_llama, tiny_tokenizer, tmp_path, callback, rows=CHAT)
    shown = []
    generate = tiny_llama.generate
    tiny_llama.generate = lambda **s: shown.append(s["input_ids"]) or generate(**s)
    callback.score(trainer, CHAT)
    assert tiny_tokenizer.decode(shown[0][0]) == "### user:\n안녕하세요\n### assistant:\n"
    assert callback.predictions[0]["reference"] == "반갑습니다"
    assert callback.predictions[0]["prompt"] == CHAT[0]["messages"][:1]


def test_the_trainers_chat_template_goes_before_the_tokenizers(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """`assistant_only_loss` makes SFTTrainer render with a template of its own."""
    callback = GenerationMetricsCallback([char_f1], max_new_tokens=1)
    trainer = make_trainer(tiny_llama, tiny_tokenizer, tmp_path, callback, rows=CHAT)
    trainer.chat_template = "<{{ messages[0]['content'] }}>"
    shown = []
    generate = tiny_llama.generate
    tiny_llama.generate = lambda **s: shown.append(s["input_ids"]) or generate(**s)
    callback.score(trainer, CHAT)
    assert tiny_tokenizer.decode(shown[0][0]) == "<안녕하세요>"


def test_values_reach_the_log_and_choose_the_best_model(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    values = iter([0.2, 0.9, 0.4])

    def rising_and_falling(predictions: list[str], references: list[str]) -> dict[str, Score]:
        return {"quality": Score("quality", next(values), "s")}

    trainer = make_trainer(
        tiny_llama,
        tiny_tokenizer,
        tmp_path,
        GenerationMetricsCallback([rising_and_falling], max_new_tokens=2),
        max_steps=3,
        per_device_train_batch_size=1,
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="steps",
        save_steps=1,
        load_best_model_at_end=True,
        metric_for_best_model="quality",
        greater_is_better=True,
        save_only_model=True,
    )
    trainer.train()
    logged = [log["eval_quality"] for log in trainer.state.log_history if "eval_quality" in log]
    assert logged == [0.2, 0.9, 0.4]
    assert trainer.state.best_metric == 0.9
    assert trainer.state.best_global_step == 2


@pytest.mark.parametrize("fails", [False, True])
def test_training_state_is_restored(
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    fails: bool,
) -> None:
    callback = GenerationMetricsCallback(
        [char_f1], max_new_tokens=2, generation_kwargs={"do_sample": True}
    )
    trainer = make_trainer(tiny_llama, tiny_tokenizer, tmp_path, callback)
    tiny_llama.train()
    tiny_llama.gradient_checkpointing_enable({"use_reentrant": False})
    layer = tiny_llama.model.layers[0]
    function = layer._gradient_checkpointing_func
    tiny_tokenizer.padding_side = "right"
    rng = torch.get_rng_state()
    if fails:

        def broken(**settings: Any) -> None:
            raise RuntimeError("out of memory")

        tiny_llama.generate = broken
        with pytest.raises(RuntimeError, match="out of memory"):
            callback.score(trainer, ROWS)
    else:
        callback.score(trainer, ROWS)
    assert all(module.training for module in tiny_llama.modules())
    assert layer.gradient_checkpointing is True
    assert layer._gradient_checkpointing_func is function
    assert tiny_tokenizer.padding_side == "right"
    assert torch.equal(torch.get_rng_state(), rng)


@pytest.mark.parametrize("disabled", [False, True])
def test_the_progress_bar_obeys_disable_tqdm(
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    disabled: bool,
) -> None:
    bars = []
    real = callback_module.complete

    def spy(*args: Any, **settings: Any) -> list[Any]:
        bars.append(settings["progress"])
        return real(*args, **settings)

    monkeypatch.setattr(callback_module, "complete", spy)
    callback = GenerationMetricsCallback([char_f1], max_new_tokens=1)
    trainer = make_trainer(tiny_llama, tiny_tokenizer, tmp_path, callback)
    trainer.args.disable_tqdm = disabled
    callback.score(trainer, ROWS)
    assert bars == [not disabled]


def test_answers_go_to_one_file_or_one_per_evaluation(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    one_file = tmp_path / "answers" / "all.jsonl"
    callback = GenerationMetricsCallback([char_f1], max_new_tokens=2, output_file=one_file)
    trainer = make_trainer(tiny_llama, tiny_tokenizer, tmp_path / "run", callback)
    callback.score(trainer, ROWS)
    trainer.state.global_step = 7
    callback.score(trainer, ROWS)
    lines = [json.loads(line) for line in one_file.read_text(encoding="utf-8").splitlines()]
    assert [(line["step"], line["row"]) for line in lines] == [
        (s, r) for s in (0, 7) for r in range(3)
    ]
    assert lines[1]["prompt"] == "한라산은" and lines[1]["split"] == "eval"
    assert "한라산은" in one_file.read_text(encoding="utf-8")

    callback.output_file = tmp_path / "folder"
    callback.score(trainer, ROWS, "eval_hard")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["eval_hard-7.jsonl"]
    assert len((tmp_path / "folder" / "eval_hard-7.jsonl").read_text().splitlines()) == 3


def test_num_rows_takes_the_first_ones(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    callback = GenerationMetricsCallback(max_new_tokens=2, num_rows=2)
    trainer = make_trainer(tiny_llama, tiny_tokenizer, tmp_path, callback)
    values = callback.score(trainer, ROWS)
    assert [row["prompt"] for row in callback.predictions] == [row["prompt"] for row in ROWS[:2]]
    assert {"eval_rouge1", "eval_rougeL", "eval_bleu", "eval_chrf"} <= set(values)  # the default


def test_check_finds_bad_rows_before_training(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    callback = GenerationMetricsCallback(max_new_tokens=64)
    trainer = make_trainer(tiny_llama, tiny_tokenizer, tmp_path, callback)
    callback.check(trainer, ROWS)
    too_long = [*ROWS, {"prompt": "가나다 " * 100, "completion": "라"}]
    for call in (callback.check, callback.score):
        with pytest.raises(ValueError, match="1 of 4 prompts are too long .*first prompt 3"):
            call(trainer, too_long)
        with pytest.raises(ValueError, match="already tokenized"):
            call(trainer, trainer.eval_dataset.select_columns(["input_ids", "labels"]))


def test_a_trainer_that_does_not_call_score_is_pointed_out(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    trainer = make_trainer(tiny_llama, tiny_tokenizer, tmp_path, GenerationMetricsCallback())
    trainer.raw_rows = None
    with pytest.warns(UserWarning, match="this trainer does not call its score"):
        trainer.evaluate()


def test_two_metrics_of_one_name_are_an_error(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    callback = GenerationMetricsCallback(
        [rouge, partial(rouge, tokenizer="char")], max_new_tokens=1
    )
    trainer = make_trainer(tiny_llama, tiny_tokenizer, tmp_path, callback)
    with pytest.raises(ValueError, match="two metrics return 'rouge1'"):
        callback.score(trainer, ROWS)


def test_a_processor_is_refused_with_the_remedy(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    callback = GenerationMetricsCallback()
    trainer = make_trainer(tiny_llama, tiny_tokenizer, tmp_path, callback)
    trainer.processing_class = object()
    with pytest.raises(TypeError, match=r"processing_class is object; .*processor\.tokenizer"):
        callback.score(trainer, ROWS)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"metrics": []}, ValueError, "metrics is empty"),
        ({"metrics": ["rouge"]}, TypeError, "metrics holds 'rouge'"),
        ({"num_rows": 0}, ValueError, "num_rows=0"),
    ],
)
def test_bad_settings_are_errors(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        GenerationMetricsCallback(**settings)


@pytest.mark.parametrize(("rows", "processes"), [(1, 1), (7, 2), (2, 3), (8, 4)])
def test_processes_get_equally_many_rows_of_like_length(rows: int, processes: int) -> None:
    encoded = [[0] * (3 * row % 7 + 1) for row in range(rows)]
    shares = [share(encoded, rank, processes) for rank in range(processes)]
    assert {row for part in shares for row in part} == set(range(rows))
    assert len({len(part) for part in shares}) == 1
    assert sum(map(len, shares)) - rows < processes
    for part in shares:
        lengths = [len(encoded[row]) for row in part]
        assert lengths == sorted(lengths, reverse=True)
