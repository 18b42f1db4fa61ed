"""How much memory a training takes, told before anything is loaded."""

from bitsft.memory.fit import largest_that_fits as largest_that_fits
from bitsft.memory.forecast import MemoryForecast as MemoryForecast
from bitsft.memory.forecast import predict_memory as predict_memory
from bitsft.memory.methods import METHODS as METHODS
