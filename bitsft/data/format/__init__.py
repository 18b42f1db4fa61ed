"""Checked rows -> {"prompt", "completion"}, the form that TRL trains on."""

from bitsft.data.format.conversation import format_dialogue as format_dialogue
from bitsft.data.format.conversation import format_preference as format_preference
from bitsft.data.format.instructions import format_classification as format_classification
from bitsft.data.format.instructions import format_qa as format_qa
from bitsft.data.format.instructions import format_summarization as format_summarization
from bitsft.data.format.instructions import format_translation as format_translation
from bitsft.data.format.koalpaca import format_koalpaca as format_koalpaca
from bitsft.data.format.raft import format_raft as format_raft
from bitsft.data.format.records import FORMATTERS as FORMATTERS
from bitsft.data.format.records import format_record as format_record
from bitsft.data.format.records import format_records as format_records
from bitsft.data.format.rows import Formatted as Formatted
from bitsft.data.format.rows import format_rows as format_rows
