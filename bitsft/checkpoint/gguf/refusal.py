"""The error for a model that a reader of GGUF files would compute differently."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Refusal:
    """Makes the errors of one export.

    Attributes:
        model_type: As in config.json.
        reader: Who computes something else, e.g. `"llama.cpp's architecture 'gemma3'"`.
        options: The model's config as a dict.
    """

    model_type: str
    reader: str
    options: dict[str, Any]

    def error(
        self, option: str, value: object, reason: str, remedy: str = 'format="transformers"'
    ) -> ValueError:
        """An error that names the option, its value, why it cannot be held, and what holds it.

        Args:
            option: Name in the config, or a tensor.
            value: What the model has there.
            reason: What the reader does instead.
            remedy: The format, or formats, to use.
        """
        return ValueError(
            f"{self.reader} cannot hold this {self.model_type} model: {option} is {value!r}, and {reason}. "
            f"Nothing was written; export it with {remedy}."
        )
