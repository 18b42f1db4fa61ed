"""People compare the answers of two models without knowing whose they are.

    pairs ──► page (a browser) ──► ratings.jsonl ──► results
         └──► sheet (CSV), and back ──►┘

`bitsft compare BASE TUNED DATA --blind`; docs/blind.md says how to get numbers that mean something.
"""

from bitsft.blind.pairs import AnswerPair as AnswerPair
from bitsft.blind.pairs import pair_answers as pair_answers
from bitsft.blind.pairs import shown_order as shown_order
from bitsft.blind.rating import Rating as Rating
from bitsft.blind.ratings import read_ratings as read_ratings
from bitsft.blind.results import Results as Results
from bitsft.blind.results import results_of as results_of
from bitsft.blind.results_text import results_markdown as results_markdown
from bitsft.blind.sheet import write_sheet as write_sheet
from bitsft.blind.sheet_reading import read_sheet as read_sheet
