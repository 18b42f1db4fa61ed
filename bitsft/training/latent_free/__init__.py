"""Training without latent weights: `projection="stochastic"` (docs/latent_free.md)."""

from bitsft.training.latent_free.for_model import latent_free_optimizer as latent_free_optimizer
from bitsft.training.latent_free.optimizer import LatentFreeOptimizer as LatentFreeOptimizer
from bitsft.training.latent_free.options import LatentFreeOptions as LatentFreeOptions
from bitsft.training.latent_free.options import check_latent_free_fits as check_latent_free_fits
from bitsft.training.latent_free.options import trains_ternary_weights as trains_ternary_weights
