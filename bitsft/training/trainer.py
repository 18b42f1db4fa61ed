"""`TernarySFTTrainer`: TRL's `SFTTrainer` whose linear layers are ternary.

What it adds to TRL, each by the smallest override, here or in one of its base classes:

    here                        __init__            makes the model ternary before TRL wraps it (PEFT, fused head, device)
                                create_optimizer    the projection follows each optimizer step
                                train               latents in, γ·{-1, 0, 1} out; run.json says how it went
                                compute_loss        TRL's fused head in tiles that suit a CPU
                                log                 shares of -1, 0, +1 and the flip rate beside the loss
    row_counting.py             _prepare_dataset    counts what max_length cuts off
    scored_evaluation.py        evaluate, evaluation_loop     generated answers are scored and join the metrics
    saving.py                   save_model, _save, …          a packed ternary checkpoint that stock transformers loads
    distillation/training.py    train, compute_loss, log      a teacher's terms in the loss

TRL never calls the output head's forward (its loss is fused with it), so the head stays dense: see
docs/numerics.md. Checkpoints made while training hold the latent weights, so that a resumed run is exact.
"""

import copy
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import is_peft_model
from datasets import Dataset
from transformers import (
    BitNetForCausalLM,
    DataCollator,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_utils import TrainOutput
from trl.trainer.utils import get_config_model_id

from bitsft.adapters.lora import refuse_merging
from bitsft.adapters.preparation import (
    allows_checkpointing,
    check_model_can_train,
    prepare_adapters,
)
from bitsft.checkpoint.packed import check_packable
from bitsft.ternary.held_codes import codes_at_each_use, hold_codes
from bitsft.training.callbacks import ProjectionCallback
from bitsft.training.config import as_ternary_config
from bitsft.training.dense_parameters import split_parameter_groups
from bitsft.training.diagnosis.callback import findings_among
from bitsft.training.diagnosis.memory import out_of_memory_explained
from bitsft.training.distillation.teacher import Teacher, check_teacher_is_another, teacher_name
from bitsft.training.distillation.training import TeacherTraining
from bitsft.training.frozen_parameters import BackwardEndsAboveFrozen, freeze_parameters
from bitsft.training.head_tiles import head_tiles_for
from bitsft.training.latent_free import (
    LatentFreeOptimizer,
    latent_free_optimizer,
    trains_ternary_weights,
)
from bitsft.training.loading import load_model, make_layers_ternary
from bitsft.training.option_checks import check_deepspeed_reaches_weights, check_options_fit
from bitsft.training.projection import Projection
from bitsft.training.row_counting import RowCounting
from bitsft.training.run_description import GivenToTrainer
from bitsft.training.run_record import RunRecordCallback
from bitsft.training.saving import PackedSaving
from bitsft.training.scored_evaluation import ScoredEvaluation
from bitsft.training.stabilisers.bema import check_bema_fits, pack_bema
from bitsft.training.sub_norms import calibrate_on_dataset, with_sub_norms
from bitsft.training.trainable_table import name_of_optimizer, show_trainable_summary

if TYPE_CHECKING:
    from datasets import DatasetDict, IterableDataset, IterableDatasetDict
    from peft import PeftConfig, PeftModel

logger = logging.getLogger(__name__)


class TernarySFTTrainer(PackedSaving, ScoredEvaluation, RowCounting, TeacherTraining):
    """Supervised fine-tuning of ternary models; the arguments are those of `trl.SFTTrainer`.

    Args:
        model: A path or Hub id of anything that `load_ternary` reads, or a model object. The object is changed in
            place, as TRL does: its linear layers become ternary (`replace_linear_with_bitlinear`). With `sub_norms` the
            trainer's `model` is a new object over the same parameters instead, and the given one is of no further use.
        args: `TernarySFTConfig`; `SFTConfig` and `TrainingArguments` keep their values.
        data_collator: See TRL; so for the arguments that follow.
        train_dataset: Text, prompt/completion, messages (with tools), or tokenized rows.
        eval_dataset: One dataset or several by name.
        processing_class: Tokenizer; default: the one saved with the model.
        compute_loss_func: See TRL.
        compute_metrics: See TRL.
        callbacks: A `GenerationMetricsCallback` among them scores generated answers at each evaluation.
        optimizers: Optimizer and scheduler, when they are made outside.
        optimizer_cls_and_kwargs: See TRL.
        preprocess_logits_for_metrics: See TRL.
        quantization_config: Not for ternary models; see Raises.
        peft_config: Adapters over the ternary base, which stays frozen; a path is loaded packed then. See docs/adapters.md.
        formatting_func: See TRL.
        teacher_model: A full-precision model (object, path or Hub id) with the same vocabulary, whose distributions
            are learned beside the labels; see docs/distillation.md. An object is put in evaluation mode, without gradients.

    Raises:
        ValueError: `quantization_config` is given; the model has nothing to make ternary, or a ternary layer
            that a packed checkpoint could not hold; an option does not work with DeepSpeed, FSDP or a frozen base; a
            packed model comes without `peft_config`, or `peft_config` asks for something that a ternary base cannot do.
    """

    optimizer: torch.optim.Optimizer | None  # Trainer sets it; said for the type checker
    _tag_names = ["trl", "sft", "bitsft", "bitnet"]
    _name = "Ternary SFT"

    def __init__(
        self,
        model: "str | PreTrainedModel | PeftModel",
        args: TrainingArguments | None = None,
        data_collator: DataCollator | None = None,
        train_dataset: "Dataset | IterableDataset | None" = None,
        eval_dataset: "Dataset | IterableDataset | DatasetDict | IterableDatasetDict | dict[str, Dataset | IterableDataset] | None" = None,
        processing_class: PreTrainedTokenizerBase | ProcessorMixin | None = None,
        compute_loss_func: Callable | None = None,
        compute_metrics: Callable[[EvalPrediction], dict] | None = None,
        callbacks: list[TrainerCallback] | None = None,
        optimizers: tuple[
            torch.optim.Optimizer | None, torch.optim.lr_scheduler.LambdaLR | None
        ] = (None, None),
        optimizer_cls_and_kwargs: tuple[type[torch.optim.Optimizer], dict[str, Any]] | None = None,
        preprocess_logits_for_metrics: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
        | None = None,
        quantization_config: Any | None = None,
        peft_config: "PeftConfig | None" = None,
        formatting_func: Callable[[dict], str] | None = None,
        teacher_model: Teacher | None = None,
    ) -> None:
        if teacher_model is not None:
            check_teacher_is_another(teacher_model, model)
        if quantization_config is not None:
            raise ValueError(
                f"quantization_config ({type(quantization_config).__name__}) and ternary weights exclude each "
                "other: the weights are 1.58-bit already. Leave it out, or use trl.SFTTrainer for QLoRA."
            )
        model_id = model if isinstance(model, str) else get_config_model_id(model.config)
        args = given_args = as_ternary_config(args, model_id.split("/")[-1])
        with_adapters = peft_config is not None
        was_loaded = isinstance(model, str)
        if isinstance(model, str):
            model, processing_class, args = load_model(
                model, processing_class, args, frozen=with_adapters
            )
        check_model_can_train(model, with_adapters=with_adapters)
        new_sub_norms = args.sub_norms and not isinstance(model, BitNetForCausalLM)
        if new_sub_norms:
            model = with_sub_norms(model, peft_config)
        if not was_loaded:
            make_layers_ternary(model, args, with_adapters=with_adapters)
        if isinstance(model, PreTrainedModel) and not with_adapters:
            check_packable(model)
        if args.frozen_parameters and not with_adapters:
            freeze_parameters(model, args.frozen_parameters)  # errors come before data are prepared
        self._raw_eval_dataset = eval_dataset
        self._dataset_rows: dict[str, int] = {}
        self._hooked_optimizer: torch.optim.Optimizer | None = None
        self._teacher_name = None if teacher_model is None else teacher_name(teacher_model)
        given = GivenToTrainer(
            args=given_args,
            model=model,
            model_name=model_id or None,
            tokenizer=processing_class,
            datasets={"train": train_dataset, "eval": eval_dataset},
            peft_config=peft_config,
            teacher=self._teacher_name,
            others={
                "callbacks": callbacks,
                "data_collator": data_collator,
                "formatting_func": formatting_func,
                "compute_loss_func": compute_loss_func,
                "compute_metrics": compute_metrics,
                "optimizers": [one for one in optimizers if one is not None],
                "optimizer_cls_and_kwargs": optimizer_cls_and_kwargs,
            },
        )
        self._run_record = RunRecordCallback(
            given,
            signatures=self._score_signatures,
            findings=lambda: findings_among(self.callback_handler.callbacks),
        )
        if peft_config is not None and isinstance(model, PreTrainedModel):
            peft_config = prepare_adapters(
                model, peft_config, keep_latent_weights=args.keep_latent_weights
            )
            if args.gradient_checkpointing and not allows_checkpointing(peft_config):
                logger.warning(
                    "gradient_checkpointing is off: prefix tuning does not work with it."
                )
                args = copy.copy(args)
                args.gradient_checkpointing = args.activation_checkpointing = False
        super().__init__(
            model=model,
            args=args,
            data_collator=data_collator,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            compute_loss_func=compute_loss_func,
            compute_metrics=compute_metrics,
            callbacks=callbacks,
            optimizers=optimizers,
            optimizer_cls_and_kwargs=optimizer_cls_and_kwargs,
            preprocess_logits_for_metrics=preprocess_logits_for_metrics,
            peft_config=peft_config,
            formatting_func=formatting_func,
        )
        if is_peft_model(self.model):
            refuse_merging(self.model)
        deepspeed = self.is_deepspeed_enabled
        check_deepspeed_reaches_weights(args, deepspeed=deepspeed)
        if args.frozen_parameters:
            if with_adapters:  # the adapters are there now
                freeze_parameters(self.model, args.frozen_parameters)
            self.add_callback(BackwardEndsAboveFrozen())
        optimizer_made = optimizers[0] is not None
        optimizer_class_given = optimizer_cls_and_kwargs is not None
        check_options_fit(
            args,
            self.model,
            optimizer_made=optimizer_made,
            optimizer_class_given=optimizer_class_given,
            deepspeed=deepspeed,
            fsdp=self.is_fsdp_enabled,
        )
        if new_sub_norms:
            calibrate_on_dataset(self.model, self.train_dataset)
        if teacher_model is not None:
            self._start_distillation(teacher_model, args)
        stochastic = args.projection == "stochastic"
        self._is_latent_free = stochastic and trains_ternary_weights(self.model)
        self._optim = name_of_optimizer(
            args,
            latent_free=self._is_latent_free,
            optimizer_given=optimizer_made or optimizer_class_given,
        )
        self._projection = Projection(self.model, args)
        self.add_callback(ProjectionCallback(self._projection, steps_in_backward=deepspeed))
        self.add_callback(self._run_record)

    def create_optimizer(self, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        is_new = self.optimizer is None
        if is_new and self._is_latent_free:
            decaying = self.get_decay_parameter_names(self.model)
            self.optimizer = latent_free_optimizer(self.model, self.args, decaying)
            is_new = False  # its groups are split already
        optimizer = super().create_optimizer(*args, **kwargs)
        if is_new and self.args.splits_parameters:
            decaying = self.get_decay_parameter_names(self.model)
            split_parameter_groups(optimizer, self.model, decaying, self.args)
        stepped = optimizer
        while isinstance(stepped, AcceleratedOptimizer):  # from an earlier call of train()
            stepped = stepped.optimizer
        if isinstance(stepped, LatentFreeOptimizer):
            stepped.follow_weights()
        if not self.is_deepspeed_enabled and stepped is not self._hooked_optimizer:
            stepped.register_step_post_hook(
                lambda *_: self._projection.after_optimizer_step(self.state.global_step)
            )
            self._hooked_optimizer = stepped
        return optimizer

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """As in TRL. When it returns, each ternary layer's `weight` is exactly γ·{-1, 0, 1}."""
        self._check_rows_to_score()
        resumed = args[0] if args else kwargs.get("resume_from_checkpoint")
        check_bema_fits(
            self.callback_handler.callbacks,
            self.model,
            latent=self.args.projection == "latent",
            resumed=bool(resumed),
        )
        self._projection.start()
        show_trainable_summary(self.model, self._optim, prints=self.is_world_process_zero())
        explained = out_of_memory_explained(self)
        codes = codes_at_each_use if self._is_latent_free else hold_codes
        with codes(self.model), self._run_record.session(), explained:
            output = super().train(*args, **kwargs)
            self._projection.finish()
            if self.is_world_process_zero():
                callbacks = self.callback_handler.callbacks
                pack_bema(callbacks, self.model, self.args.output_dir, self._tokenizer)
        self._take_autocast_off_the_model()
        return output

    def _take_autocast_off_the_model(self) -> None:
        """Who calls the trained model then gets what the saved one computes.

        accelerate wraps the model's own forward for mixed precision and leaves it so. Its `unwrap_model`
        would take TRL's fused head off, too. The trainer's evaluation turns autocast on by itself.
        """
        forward = self.model.__dict__.pop("_original_forward", None)
        if forward is not None:
            self.model.forward = forward

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        with head_tiles_for(self.accelerator.device):
            return super().compute_loss(*args, **kwargs)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs and self.model.training:
            logs.update(self._projection.statistics())
        super().log(logs, start_time)
