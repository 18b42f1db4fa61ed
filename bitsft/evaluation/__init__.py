"""Rows and a model in, answers and scores out."""

from bitsft.evaluation.answers import Answer as Answer
from bitsft.evaluation.evaluate import evaluate_model as evaluate_model
from bitsft.evaluation.evaluation import Evaluation as Evaluation
from bitsft.evaluation.evaluation import load_evaluation as load_evaluation
from bitsft.evaluation.models import load_model as load_model
from bitsft.evaluation.rows import read_data as read_data
from bitsft.evaluation.scoring import score_answers as score_answers
