"""Raw rows -> rows in the one shape of their task, or a reject with the field, the value and the reason.

`check_records` (`records.py`) is the stage; each task has a file with its row type, a pydantic model.
"""

from bitsft.data.check.bounds import Bounds as Bounds
from bitsft.data.check.classification import ClassificationRow as ClassificationRow
from bitsft.data.check.dialogue import DialogueRow as DialogueRow
from bitsft.data.check.koalpaca import KoAlpacaRow as KoAlpacaRow
from bitsft.data.check.preference import PreferenceRow as PreferenceRow
from bitsft.data.check.qa import QARow as QARow
from bitsft.data.check.raft import RaftRow as RaftRow
from bitsft.data.check.records import SCHEMAS as SCHEMAS
from bitsft.data.check.records import check_records as check_records
from bitsft.data.check.summarization import SummarizationRow as SummarizationRow
from bitsft.data.check.translation import TranslationRow as TranslationRow
