"""The model: quantization maths, `BitLinear158`, conversion of whole models, statistics."""

from bitsft.ternary.held_codes import hold_codes as hold_codes
from bitsft.ternary.linear import BitLinear158 as BitLinear158
from bitsft.ternary.linear import ternary_layers as ternary_layers
from bitsft.ternary.packed_model import pack_model as pack_model
from bitsft.ternary.replace import replace_linear_with_bitlinear as replace_linear_with_bitlinear
from bitsft.ternary.stats import TernaryStats as TernaryStats
from bitsft.ternary.stats import ternary_stats as ternary_stats
from bitsft.ternary.sub_norms import insert_sub_norms as insert_sub_norms
