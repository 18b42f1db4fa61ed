"""Checked rows -> how good they are: scores, scripts and balance, worst rows first, and balanced rows."""

from bitsft.data.quality.balance import balance_records as balance_records
from bitsft.data.quality.class_counts import BalanceReport as BalanceReport
from bitsft.data.quality.class_counts import balance_report as balance_report
from bitsft.data.quality.groundedness import groundedness as groundedness
from bitsft.data.quality.language import LanguageReport as LanguageReport
from bitsft.data.quality.language import language_share as language_share
from bitsft.data.quality.records import quality_records as quality_records
from bitsft.data.quality.records import quality_report as quality_report
from bitsft.data.quality.relevance import answer_relevance as answer_relevance
from bitsft.data.quality.relevance import embedding_similarity as embedding_similarity
from bitsft.data.quality.relevance import relevance as relevance
from bitsft.data.quality.report import QualityReport as QualityReport
from bitsft.data.quality.row_scores import RowScores as RowScores
from bitsft.data.quality.row_scores import score_row as score_row
