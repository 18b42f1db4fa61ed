"""Two evaluations of the same rows in, what changed between them out."""

from bitsft.comparison.comparison import Comparison as Comparison
from bitsft.comparison.comparison import compare as compare
