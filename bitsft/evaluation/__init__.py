"""Rows and a model in, answers and scores out."""

from bitsft.evaluation.answers import Answer as Answer
from bitsft.evaluation.evaluation import Evaluation as Evaluation
from bitsft.evaluation.evaluation import load_evaluation as load_evaluation
from bitsft.evaluation.scoring import score_answers as score_answers
