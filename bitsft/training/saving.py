"""What `TernarySFTTrainer` writes: packed ternary models with their card; checkpoints with latent weights.

save_model, _save     a packed ternary checkpoint that stock transformers loads (with PEFT: the adapter, and its base's identity)
checkpoints           latent weights, and what the stabilisers know, so that a resumed run is exact
_push_from_checkpoint the packed model goes to the Hub, not the latent weights of the checkpoint
create_model_card     README.md says what was trained, on what, how, and how to load it
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accelerate.utils import is_peft_model
from transformers import PreTrainedModel
from trl import SFTTrainer

from bitsft.adapters.base_identity import (
    TernaryBase,
    base_of_model,
    check_base,
    read_base,
    write_base,
)
from bitsft.checkpoint.packed import PACKED
from bitsft.checkpoint.safetensors_format import CheckpointTensors, config_for
from bitsft.checkpoint.source import source_from_model
from bitsft.training.model_card import ternary_model_card
from bitsft.training.projection import Projection


class PackedSaving(SFTTrainer):
    """The saving half of `TernarySFTTrainer`, which sets the attributes named here."""

    _projection: Projection
    _dataset_rows: dict[str, int]
    _teacher_name: str | None = None
    _saves_packed = False
    _adapter_base: TernaryBase | None = None

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write a packed ternary checkpoint with its model card (with PEFT: the adapter).

        Args:
            output_dir: Default: `args.output_dir`.
            _internal_call: Set by Trainer; together with a directory it means a checkpoint to resume from,
                which holds latent weights.
        """
        is_checkpoint = _internal_call and output_dir is not None
        with self._saving(packed=not is_checkpoint):
            super().save_model(output_dir, _internal_call)

    @contextmanager
    def _saving(self, *, packed: bool) -> Iterator[None]:
        self._saves_packed = packed
        try:
            yield
        finally:
            self._saves_packed = False

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        if not self._saves_packed or not isinstance(self.model, PreTrainedModel):
            super()._save(output_dir, state_dict)
            if is_peft_model(self.model):
                self._write_adapter_bases(Path(output_dir or self.args.output_dir))
            return
        with self._projection.stabilisers.final_weights():
            self._projection.drop_codes()
            tensors = CheckpointTensors(source_from_model(self.model, state_dict), PACKED)
            with config_for(self.model, PACKED):
                super()._save(output_dir, tensors.read_all())
        if self.is_world_process_zero():
            self._write_model_card(Path(output_dir or self.args.output_dir))

    def _write_adapter_bases(self, directory: Path) -> None:
        """Beside each adapter: which base it belongs on. PEFT gives all but "default" folders of their own."""
        for name in self.model.peft_config:
            write_base(
                self._base_of_adapters(), directory if name == "default" else directory / name
            )

    def _base_of_adapters(self) -> TernaryBase:
        if self._adapter_base is None:  # it is frozen, so once is enough
            self._adapter_base = base_of_model(self.model)
        return self._adapter_base

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: PreTrainedModel | None = None
    ) -> None:
        """As in Trainer; an adapter is resumed only over the base that it was trained on."""
        if is_peft_model(self.model):
            for folder in (Path(resume_from_checkpoint), *Path(resume_from_checkpoint).iterdir()):
                needed = read_base(folder)
                if needed is not None:
                    check_base(needed, self._base_of_adapters(), str(folder))
                    break
        super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        if self.args.should_save:
            self._projection.stabilisers.save(output_dir)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            self._projection.stabilisers.load(checkpoint)

    def _load_best_model(self) -> None:
        super()._load_best_model()
        if self.state.best_model_checkpoint is not None:
            self._projection.stabilisers.load_average(self.state.best_model_checkpoint)

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Push the packed model, not the latent weights that the checkpoint holds."""
        if self.args.hub_strategy != "every_save" or not isinstance(self.model, PreTrainedModel):
            if is_peft_model(self.model) and self.is_world_process_zero():
                # Trainer copies the adapter out of the folder, but knows nothing of this file
                self._write_adapter_bases(Path(self.args.output_dir))
            super()._push_from_checkpoint(checkpoint_folder)
            return
        # Trainer copies the model's files out of the folder before it uploads them.
        with tempfile.TemporaryDirectory() as packed_folder:
            with self._saving(packed=True):
                super().save_model(packed_folder, _internal_call=True)
            super()._push_from_checkpoint(packed_folder)

    def create_model_card(
        self,
        model_name: str | None = None,
        dataset_name: str | None = None,
        tags: str | list[str] | None = None,
    ) -> None:
        """Write README.md into `args.output_dir`: what was trained, on what, how, and how to load it.

        Args:
            model_name: Default: the output directory's name.
            dataset_name: Hub id of the training data, if it has one.
            tags: Further tags beside the trainer's own.
        """
        if self.is_world_process_zero():
            self._write_model_card(Path(self.args.output_dir), model_name, dataset_name, tags)

    def _write_model_card(
        self,
        directory: Path,
        model_name: str | None = None,
        dataset_name: str | None = None,
        tags: str | list[str] | None = None,
    ) -> None:
        own_tags = [tags] if isinstance(tags, str) else list(tags or [])
        card = ternary_model_card(
            model=self.model,
            args=self.args,
            state=self.state,
            name=model_name or directory.name,
            repository=self.hub_model_id,
            dataset_name=dataset_name,
            dataset_rows=self._dataset_rows,
            teacher=self._teacher_name,
            tags=[*self._tag_names, *own_tags],
        )
        directory.mkdir(parents=True, exist_ok=True)
        card.save(directory / "README.md")
