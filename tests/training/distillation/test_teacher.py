"""The teacher is made ready, or refused with the reason."""

import copy
import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from transformers import BitsAndBytesConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from bitsft.checkpoint import save_ternary
from bitsft.scratch import new_llama, train_tokenizer
from bitsft.ternary import replace_linear_with_bitlinear, ternary_layers
from bitsft.training import TernarySFTConfig
from bitsft.training.distillation.output_head import output_head
from bitsft.training.distillation.teacher import (
    Teacher,
    check_teacher_is_another,
    load_teacher,
    teacher_name,
    where_it_lies,
)
from bitsft.training.distillation.vocabulary import shared_words, tokenizer_of

CPU = torch.device("cpu")


def loaded(teacher: Teacher, student: torch.nn.Module, **options: object) -> torch.nn.Module:
    args = TernarySFTConfig("out", report_to="none", **{"bf16": False, **options})
    return load_teacher(teacher, args, student, CPU)


def saved(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast | None, path: Path) -> str:
    model.save_pretrained(path)
    if tokenizer is not None:
        tokenizer.save_pretrained(path)
    return str(path)


def test_an_object_is_asked_in_evaluation_mode_without_gradients(
    teacher: LlamaForCausalLM, tiny_llama: LlamaForCausalLM
) -> None:
    weights = {name: one.clone() for name, one in teacher.state_dict().items()}
    found = loaded(teacher.train(), tiny_llama)
    assert found is teacher and not found.training
    assert not any(parameter.requires_grad for parameter in found.parameters())
    assert all(torch.equal(found.state_dict()[name], one) for name, one in weights.items())


@pytest.mark.parametrize(
    ("options", "dtype"),
    [
        ({}, torch.float32),
        ({"bf16": True}, torch.bfloat16),
        ({"teacher_model_init_kwargs": {"dtype": "bfloat16"}}, torch.bfloat16),
        ({"bf16": True, "teacher_model_init_kwargs": '{"dtype": "float32"}'}, torch.float32),
    ],
    ids=str,
)
def test_a_path_and_its_dtype(
    teacher: LlamaForCausalLM,
    tiny_llama: LlamaForCausalLM,
    tmp_path: Path,
    options: dict[str, object],
    dtype: torch.dtype,
) -> None:
    found = loaded(saved(teacher, None, tmp_path), tiny_llama, **options)
    assert found.dtype == dtype and not found.training and not ternary_layers(found)
    assert not any(parameter.requires_grad for parameter in found.parameters())


def test_a_teacher_in_a_subfolder(
    teacher: LlamaForCausalLM,
    tiny_llama: LlamaForCausalLM,
    tiny_tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
) -> None:
    saved(teacher, tiny_tokenizer, tmp_path / "inner")
    where = {"subfolder": "inner"}
    found = loaded(
        str(tmp_path), tiny_llama, teacher_model_init_kwargs={**where, "dtype": "float32"}
    )
    assert torch.equal(found.lm_head.weight, teacher.lm_head.weight)
    args = TernarySFTConfig(
        "out", teacher_model_init_kwargs={**where, "dtype": "float32"}, report_to="none"
    )
    assert where_it_lies(args) == where
    tokenizer = tokenizer_of(str(tmp_path), found, **where)
    assert tokenizer.get_vocab() == tiny_tokenizer.get_vocab()


def test_nf4(
    tiny_llama: LlamaForCausalLM, tiny_tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    # bitsandbytes' CPU kernel wants widths that are multiples of 32.
    teacher = new_llama(tiny_tokenizer, hidden_size=64, layers=2, heads=4)
    quantization = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    )
    path = saved(teacher, None, tmp_path)
    found = loaded(
        path, tiny_llama, teacher_model_init_kwargs={"quantization_config": quantization}
    )
    assert type(found.model.layers[0].mlp.up_proj).__name__ == "Linear4bit"
    ids = torch.tensor([[5, 6, 7, 8]])
    hidden = found.model(input_ids=ids).last_hidden_state
    exact = teacher.eval().model(input_ids=ids).last_hidden_state
    assert torch.cosine_similarity(hidden, exact, dim=-1).min() > 0.8
    args = TernarySFTConfig(
        "out", teacher_model_init_kwargs={"quantization_config": quantization}, report_to="none"
    )
    written = json.loads(args.to_json_string())["teacher_model_init_kwargs"]
    assert written["quantization_config"]["bnb_4bit_quant_type"] == "nf4"


def test_a_packed_ternary_teacher(
    teacher: LlamaForCausalLM, tiny_llama: LlamaForCausalLM, tmp_path: Path
) -> None:
    ternary = replace_linear_with_bitlinear(teacher).eval()
    save_ternary(ternary, tmp_path / "packed")
    found = loaded(str(tmp_path / "packed"), tiny_llama)
    assert len(ternary_layers(found)) == 21
    ids = torch.tensor([[5, 6, 7, 8]])
    torch.testing.assert_close(found(ids).logits, ternary(ids).logits)


def test_what_it_is_called(teacher: LlamaForCausalLM, tmp_path: Path) -> None:
    assert teacher_name("org/model") == "org/model"
    assert teacher_name(teacher) == "LlamaForCausalLM"
    path = saved(teacher, None, tmp_path)
    assert teacher_name(LlamaForCausalLM.from_pretrained(path)) == path


class TestRefused:
    def test_the_student_itself(self, tiny_llama: LlamaForCausalLM) -> None:
        with pytest.raises(ValueError, match=r"copy\.deepcopy\(model\)"):
            check_teacher_is_another(tiny_llama, tiny_llama)

    def test_shared_parameters(self, tiny_llama: LlamaForCausalLM) -> None:
        other = copy.deepcopy(tiny_llama)
        other.model.layers[1].mlp.up_proj.weight = tiny_llama.model.layers[0].mlp.up_proj.weight
        with pytest.raises(ValueError, match=r"layers\.0\.mlp\.up_proj\.weight.*while it teaches"):
            check_teacher_is_another(other, tiny_llama)
        check_teacher_is_another(copy.deepcopy(tiny_llama), tiny_llama)
        check_teacher_is_another("a/path", tiny_llama)

    def test_arguments_for_an_object(
        self, teacher: LlamaForCausalLM, tiny_llama: LlamaForCausalLM
    ) -> None:
        with pytest.raises(ValueError, match="LlamaForCausalLM already"):
            loaded(teacher, tiny_llama, teacher_model_init_kwargs={"dtype": "float32"})

    def test_prompt_tuning(self, teacher: LlamaForCausalLM, tiny_llama: LlamaForCausalLM) -> None:
        tuned = get_peft_model(
            teacher, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
        )
        with pytest.raises(ValueError, match="virtual tokens"):
            loaded(tuned, tiny_llama)

    def test_a_model_without_a_head(
        self, teacher: LlamaForCausalLM, tiny_llama: LlamaForCausalLM
    ) -> None:
        with pytest.raises(ValueError, match="head of LlamaModel is missing"):
            loaded(teacher.model, tiny_llama)

    def test_an_adapter_on_the_head(
        self, teacher: LlamaForCausalLM, tiny_llama: LlamaForCausalLM
    ) -> None:
        adapted = get_peft_model(
            teacher, LoraConfig(target_modules=["lm_head"], task_type="CAUSAL_LM")
        )
        with pytest.raises(ValueError, match="head of LlamaForCausalLM has an adapter"):
            loaded(adapted, tiny_llama)
        merged = adapted.merge_and_unload()
        assert loaded(merged, tiny_llama) is merged

    def test_something_else(self, tiny_llama: LlamaForCausalLM) -> None:
        with pytest.raises(TypeError, match="teacher_model is a int"):
            loaded(3, tiny_llama)  # type: ignore[arg-type]


def test_a_teacher_with_adapters(teacher: LlamaForCausalLM, tiny_llama: LlamaForCausalLM) -> None:
    adapted = get_peft_model(teacher, LoraConfig(target_modules=["up_proj"], task_type="CAUSAL_LM"))
    found = loaded(adapted, tiny_llama)
    assert found is adapted and output_head(found).weight is teacher.lm_head.weight


class TestVocabulary:
    def test_equal_heads_without_a_second_tokenizer(
        self, teacher: LlamaForCausalLM, tiny_llama: LlamaForCausalLM, tiny_tokenizer
    ) -> None:  # type: ignore[no-untyped-def]
        assert shared_words(tiny_llama, teacher, tiny_tokenizer, None) == len(tiny_tokenizer)

    def test_padding_of_two_sizes(
        self, teacher: LlamaForCausalLM, tiny_llama: LlamaForCausalLM, tiny_tokenizer
    ) -> None:  # type: ignore[no-untyped-def]
        words = len(tiny_tokenizer)
        tiny_llama.resize_token_embeddings(words + 8)
        teacher.resize_token_embeddings(words + 24)
        assert shared_words(tiny_llama, teacher, tiny_tokenizer, tiny_tokenizer) == words + 8
        with pytest.raises(ValueError, match="no tokenizer beside the teacher"):
            shared_words(tiny_llama, teacher, tiny_tokenizer, None)

    def test_other_words_are_refused(
        self, teacher: LlamaForCausalLM, tiny_llama: LlamaForCausalLM, tiny_tokenizer
    ) -> None:  # type: ignore[no-untyped-def]
        other = train_tokenizer(["completely different words of another language"] * 9, 300)
        with pytest.raises(ValueError, match="ids mean different words; id "):
            shared_words(tiny_llama, teacher, tiny_tokenizer, other)

    def test_a_word_that_the_teacher_lacks(
        self, teacher: LlamaForCausalLM, tiny_llama: LlamaForCausalLM, tiny_tokenizer
    ) -> None:  # type: ignore[no-untyped-def]
        larger = copy.deepcopy(tiny_tokenizer)
        larger.add_tokens(["<new>"])
        tiny_llama.resize_token_embeddings(len(larger))
        with pytest.raises(ValueError, match="no row for 1 words .* '<new>'"):
            shared_words(tiny_llama, teacher, larger, tiny_tokenizer)

    def test_where_the_tokenizer_comes_from(
        self, teacher: LlamaForCausalLM, tiny_tokenizer, tmp_path: Path
    ) -> None:  # type: ignore[no-untyped-def]
        assert tokenizer_of(teacher, teacher) is None
        with_tokenizer = saved(teacher, tiny_tokenizer, tmp_path / "with")
        without = saved(teacher, None, tmp_path / "without")
        model = LlamaForCausalLM.from_pretrained(with_tokenizer)
        for given in (with_tokenizer, model):
            assert tokenizer_of(given, model).get_vocab() == tiny_tokenizer.get_vocab()
        assert tokenizer_of(without, teacher) is None
