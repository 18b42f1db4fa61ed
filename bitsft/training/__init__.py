"""The trainer and its arguments."""

from bitsft.training.config import TernarySFTConfig as TernarySFTConfig
from bitsft.training.diagnosis import DiagnosisCallback as DiagnosisCallback
from bitsft.training.frozen_parameters import freeze_parameters as freeze_parameters
from bitsft.training.merging import merge_to_ternary as merge_to_ternary
from bitsft.training.trainable_table import TrainableRow as TrainableRow
from bitsft.training.trainable_table import TrainableSummary as TrainableSummary
from bitsft.training.trainable_table import trainable_summary as trainable_summary
from bitsft.training.trainer import TernarySFTTrainer as TernarySFTTrainer
