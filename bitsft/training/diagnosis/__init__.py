"""What goes wrong while training, recognised and explained in one line each (docs/diagnosis.md)."""

from bitsft.training.diagnosis.callback import DiagnosisCallback as DiagnosisCallback
from bitsft.training.diagnosis.finding import KINDS as KINDS
from bitsft.training.diagnosis.finding import Finding as Finding
from bitsft.training.diagnosis.layers import LayerLimits as LayerLimits
from bitsft.training.diagnosis.loss import LossLimits as LossLimits
from bitsft.training.diagnosis.memory import out_of_memory_explained as out_of_memory_explained
from bitsft.training.diagnosis.overfitting import OverfittingLimits as OverfittingLimits
