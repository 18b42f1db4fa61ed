"""The trainer and its arguments."""

from bitsft.training.config import TernarySFTConfig as TernarySFTConfig
from bitsft.training.diagnosis import DiagnosisCallback as DiagnosisCallback
from bitsft.training.trainer import TernarySFTTrainer as TernarySFTTrainer
