"""What steadies training with latent weights: dead zone, oscillating codes, a moving average (docs/stabilisers.md)."""

from bitsft.training.stabilisers.options import StabiliserOptions as StabiliserOptions
from bitsft.training.stabilisers.options import check_stabilisers_fit as check_stabilisers_fit
from bitsft.training.stabilisers.stabilisers import Stabilisers as Stabilisers
