"""Formatted rows -> how many tokens they have, and what a `max_length` and a batch size cost."""

from bitsft.data.budget.counts import TokenBudget as TokenBudget
from bitsft.data.budget.counts import token_budget as token_budget
from bitsft.data.budget.lengths import Histogram as Histogram
from bitsft.data.budget.lengths import Lengths as Lengths
from bitsft.data.budget.padding import PaddingCost as PaddingCost
from bitsft.data.budget.padding import padding_cost as padding_cost
from bitsft.data.budget.parts import TokenParts as TokenParts
