"""`verify` from end to end: equal exports, broken ones, other tokens, and what it says about them."""

import copy
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from bitsft.checkpoint import save_ternary
from bitsft.checkpoint.proof.readers import Side
from bitsft.checkpoint.proof.report import (
    OTHER_ROUNDING,
    SAME_ROUNDING,
    Bounds,
    Tokenization,
    VerifyReport,
)
from bitsft.checkpoint.proof.texts import proof_texts
from bitsft.checkpoint.proof.verify import verify
from bitsft.data.demo import load_demo_rows
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import replace_linear_with_bitlinear
from tests.checkpoint.proof.tiny_gguf import write_llama_gguf

TEXTS = [
    "경복궁은 서울에 있습니다. 경복궁의 정문은 광화문입니다. " * 5,
    "제주도에는 한라산이 있습니다.",
]
SCALE = "model.layers.0.mlp.up_proj.weight_scale"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    rows = load_demo_rows("train_raft")[:100]
    return train_tokenizer((text for row in rows for text in row["context"]), vocab_size=500)


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    llama = new_llama(tokenizer, hidden_size=64, layers=2, initializer_range=0.125)
    return replace_linear_with_bitlinear(llama)


@pytest.fixture(scope="module")
def packed(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "packed"
    save_ternary(model, folder)
    tokenizer.save_pretrained(folder)
    return folder


def with_inverted_scale(folder: Path, target: Path) -> Path:
    """A copy of a packed checkpoint in which one scale is in the other convention."""
    shutil.copytree(folder, target)
    tensors = load_file(target / "model.safetensors")
    tensors[SCALE] = 1 / tensors[SCALE]
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    return target


def other(model: LlamaForCausalLM, **config: int) -> LlamaForCausalLM:
    """The same weights under another config."""
    model = copy.deepcopy(model)
    model.config.update(config)
    return model


class TestTransformersFormat:
    def test_llama_is_equal_to_the_last_bit(self, model: LlamaForCausalLM, packed: Path) -> None:
        model.train()
        report = verify(model, packed, max_difference=0.0, threads=1)
        assert report.passed and report.failures == []
        assert report.agreement.max_difference == report.agreement.kl == 0.0
        assert report.agreement.perplexity_change == 0.0
        assert report.agreement.tokens > 2000, "the texts that ship with bitsft"
        assert report.agreement.predicted == report.agreement.tokens - report.texts
        assert report.bounds.min_top1 == 0.98, "both round activations alike"
        assert report.tokenization is None
        assert "tokenizer is B's own" in report.notes[0]
        assert model.training

    def test_biases(self, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
        config = Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
        qwen = replace_linear_with_bitlinear(Qwen2ForCausalLM(config))
        for layer in qwen.model.layers:
            torch.nn.init.normal_(layer.self_attn.q_proj.bias)
        save_ternary(qwen, tmp_path / "qwen")
        # Its folder has another tokenizer than the one in use: the logits agree, the tokens do not.
        train_tokenizer(TEXTS, vocab_size=300).save_pretrained(tmp_path / "qwen")
        report = verify(qwen, tmp_path / "qwen", TEXTS, tokenizer=tokenizer, threads=1)
        assert report.agreement.max_difference == 0.0
        assert not report.passed
        assert report.tokenization is not None
        assert (report.tokenization.by, report.tokenization.same) == ("B's tokenizer", 0)
        (failure,) = report.failures
        assert failure.startswith("tokens differ: text 0 ('경복궁은 서울에")

    def test_one_scale_in_the_other_convention(
        self, model: LlamaForCausalLM, packed: Path, tmp_path: Path
    ) -> None:
        broken = with_inverted_scale(packed, tmp_path / "broken")
        report = verify(model, broken, TEXTS, threads=1)
        assert not report.passed
        assert report.agreement.top1 < 0.5 and report.agreement.kl > 0.1
        assert [failure.split(" is ")[0] for failure in report.failures][:2] == [
            "top-1 agreement",
            "perplexity change",
        ]
        assert "hint: So much is not rounding noise. Usual causes: a scale in the" in str(report)


class TestGGUF:
    def test_llama_cpp(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
    ) -> None:
        pytest.importorskip("llama_cpp")
        write_llama_gguf(model, tokenizer, tmp_path / "model.gguf")
        report = verify(model, tmp_path, tokenizer=tokenizer, threads=1)
        assert report.exported.runtime.startswith("llama.cpp")
        # Random weights: 96.5 % when this was written, because near-ties flip with int8 roundings.
        assert report.agreement.top1 > 0.95 and report.agreement.kl < 5e-4
        assert report.passed, str(report)
        assert report.tokenization == Tokenization("llama.cpp", report.texts, report.texts, None)
        assert report.bounds == OTHER_ROUNDING
        assert "A and B round activations differently (A: int8 per token, B: other)" in str(report)

    def test_rows_in_the_wrong_order(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
    ) -> None:
        pytest.importorskip("llama_cpp")
        write_llama_gguf(model, tokenizer, tmp_path / "model.gguf", permute=False)
        report = verify(model, tmp_path, tokenizer=tokenizer, threads=1)
        assert not report.passed
        assert report.agreement.kl > 0.02 and report.agreement.top1 < 0.8
        assert report.tokenization is not None and report.tokenization.first_difference is None

    def test_tokens_in_the_wrong_order(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
    ) -> None:
        pytest.importorskip("llama_cpp")
        tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        tokens[-2:] = tokens[-1], tokens[-2]
        write_llama_gguf(model, tokenizer, tmp_path / "model.gguf", tokens=tokens)
        last = tokenizer.decode([len(tokenizer) - 1])
        texts = ["", last * 2, "서울" * 9]
        loose = {"min_top1": 0.0, "max_perplexity_change": 1.0}
        report = verify(model, tmp_path, texts, tokenizer=tokenizer, threads=1, **loose)
        assert report.skipped == 1, "of the empty text only the tokens are compared"
        assert report.failures == [
            f"tokens differ: text 1 ({last * 2!r}…), token 0: [499, 499] expected, "
            "llama.cpp gives [498, 498]"
        ]

    def test_transformers(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
    ) -> None:
        write_llama_gguf(model, tokenizer, tmp_path / "model.gguf")
        report = verify(
            model, tmp_path, TEXTS, tokenizer=tokenizer, runtime="transformers", threads=1
        )
        assert "weights dequantized" in report.exported.runtime
        assert report.agreement.kl < 5e-4
        assert report.exported.activations == "floats"
        assert "B's tokenization was not compared: that takes llama.cpp" in report.notes


class TestTwoModelsInMemory:
    """Quick: no other process."""

    def test_what_is_counted(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
    ) -> None:
        texts = ["", *TEXTS, "ㄱ" * 100]
        report = verify(model, model, texts, tokenizer=tokenizer, max_length=20)
        assert (report.texts, report.skipped, report.cut) == (3, 1, 2)
        lengths = [min(len(tokenizer(text)["input_ids"]), 20) for text in texts[1:]]
        assert report.agreement.tokens == sum(lengths)
        assert (
            "3 texts of at most 20 tokens; 2 longer texts were cut there; 1 texts with fewer than two"
            in str(report)
        )

    def test_texts_end_where_the_model_does(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
    ) -> None:
        report = verify(model, other(model, max_position_embeddings=16), TEXTS, tokenizer=tokenizer)
        assert report.max_length == 16

    def test_padding_rows_are_left_out(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
    ) -> None:
        padded = copy.deepcopy(model)
        padded.resize_token_embeddings(512, mean_resizing=False)
        with torch.no_grad():
            padded.lm_head.weight[500:] = 9.0
        report = verify(model, padded, TEXTS, tokenizer=tokenizer)
        assert report.agreement.kl < 1e-9 and report.passed
        assert report.notes[0] == (
            "B has 12 rows past the tokenizer's 500 tokens (padding), which are left out: the first 500 "
            "logits are compared"
        )

    def test_other_vocabularies_are_refused(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
    ) -> None:
        smaller = copy.deepcopy(model)
        smaller.resize_token_embeddings(499)
        with pytest.raises(ValueError, match="differ: 500 tokens in A .* 499 in B .* has 500"):
            verify(model, smaller, ["서울"], tokenizer=tokenizer)
        with pytest.raises(ValueError, match=r"gives token 4\d\d, but the models have 500.* 300 "):
            smaller.resize_token_embeddings(300)
            verify(model, smaller, TEXTS, tokenizer=tokenizer)

    def test_a_dense_reference_draws_its_own_hint(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
    ) -> None:
        dense = new_llama(tokenizer, hidden_size=64, layers=2, initializer_range=0.125)
        report = verify(dense, model, TEXTS, tokenizer=tokenizer)
        assert report.reference.activations == "floats"
        assert "hint: A computes in floats" in str(report) and "load_ternary(A)" in str(report)

    def test_refusals(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
    ) -> None:
        with pytest.raises(ValueError, match="There is no tokenizer: .*pass tokenizer="):
            verify(model, model)
        with pytest.raises(ValueError, match="None of the 2 texts has two tokens"):
            verify(model, model, ["", "a"], tokenizer=tokenizer)
        with pytest.raises(ValueError, match="max_length is 1; .* at least 2"):
            verify(model, model, tokenizer=tokenizer, max_length=1)
        with pytest.raises(ValueError, match="texts must be a list of strings, not str"):
            verify(model, model, "text", tokenizer=tokenizer)
        with pytest.raises(ValueError, match='runtime="llama.cpp" reads GGUF files, and neither'):
            verify(model, model, tokenizer=tokenizer, runtime="llama.cpp")
        with pytest.raises(ValueError, match="min_top1 is 98; .* 98 % is 0.98"):
            verify(model, model, tokenizer=tokenizer, min_top1=98)
        with pytest.raises(FileNotFoundError, match="nowhere: no such file or folder"):
            verify(model, tmp_path / "nowhere", tokenizer=tokenizer)


def report_with(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> VerifyReport:
    return verify(model, model, TEXTS, tokenizer=tokenizer)


def test_the_table(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    lines = str(report_with(model, tokenizer)).splitlines()
    side = "model in memory: LlamaForCausalLM, read by bitsft, 14 ternary layers, float32"
    assert lines[:3] == [f"A  {side}", f"B  {side}", ""]
    assert lines[4:8] == [
        "max |Δ logit|              0",
        "mean |Δ logit|             0",
        "top-1 agreement     100.00 %  ≥ 98.00 %      ok",
        "mean KL(A‖B)          0 nats  ≤ 0.0001 nats  ok",
    ]
    assert lines[10] == "perplexity change  +0.0000 %  ≤ 0.0500 %     ok"
    assert lines[-1] == "passed"


def test_json_has_everything(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    report = report_with(model, tokenizer)
    found = json.loads(report.to_json())
    assert found["passed"] is True and found["failures"] == []
    assert found["agreement"] == report.agreement.to_dict()
    assert found["bounds"]["max_kl"] == 1e-4
    assert found["reference"]["model"] == "LlamaForCausalLM"


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"min_top1": -0.1}, "min_top1 is -0.1"),
        ({"max_perplexity_change": -1}, "max_perplexity_change is -1; use a number of 0 or more"),
        ({"max_kl": float("nan")}, "max_kl is nan"),
        ({"max_difference": -1e-9}, "max_difference is -1e-09"),
    ],
)
def test_bounds_that_make_no_sense(bounds: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Bounds(**bounds)


@pytest.mark.parametrize(
    ("a", "b", "defaults"),
    [
        ("int8 per token", "int8 per token", SAME_ROUNDING),
        ("floats", "floats", SAME_ROUNDING),
        ("int8 per token", "floats", OTHER_ROUNDING),
        ("other", "other", OTHER_ROUNDING),
    ],
)
def test_defaults_depend_on_how_activations_are_rounded(a: str, b: str, defaults: Bounds) -> None:
    sides = [Side("x", "Llama", "y", 10, None, activations) for activations in (a, b)]  # type: ignore[arg-type]
    assert Bounds().for_sides(*sides) == defaults
    mine = Bounds(max_kl=1.0).for_sides(*sides)
    assert mine.max_kl == 1.0 and mine.min_top1 == defaults.min_top1


def test_where_tokens_depart() -> None:
    found = Tokenization.compare("llama.cpp", ["a", "b b"], [[1], [1, 2, 3]], [[1], [1, 2]])
    assert (found.texts, found.same) == (2, 1)
    assert found.first_difference == (
        "text 1 ('b b'…), token 2: [3] expected, llama.cpp gives the end"
    )


def test_proof_texts(tokenizer: PreTrainedTokenizerFast) -> None:
    texts = proof_texts(tokenizer)
    assert texts == proof_texts(tokenizer)
    assert texts[-1].startswith("### user:\n"), "the chat template"
    assert len(texts[0]) > 300 and "🙂" in texts[-2]
    silent = copy.deepcopy(tokenizer)
    silent.chat_template = None
    assert proof_texts(silent) == texts[:-1]
    silent.chat_template = "{{ raise_exception('system first') }}"
    assert proof_texts(silent) == texts[:-1]
