"""The formats in and out."""

from bitsft.checkpoint.packed import check_packable as check_packable
from bitsft.checkpoint.packed import save_ternary as save_ternary
