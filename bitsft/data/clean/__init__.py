"""Checked rows -> rows whose texts are clean: one spelling, no invisible characters, no personal data.

clean_text("진짜  재밌다ㅋㅋㅋㅋㅋㅋ").text                            # '진짜 재밌다ㅋㅋㅋ'
records = clean_records(records, Cleaning(phone="reject"), ledger=ledger)
"""

from bitsft.data.clean.examples import show_changes as show_changes
from bitsft.data.clean.personal import Found as Found
from bitsft.data.clean.personal import find_personal as find_personal
from bitsft.data.clean.records import clean_records as clean_records
from bitsft.data.clean.settings import PERSONAL_KINDS as PERSONAL_KINDS
from bitsft.data.clean.settings import Cleaning as Cleaning
from bitsft.data.clean.text import CleanedText as CleanedText
from bitsft.data.clean.text import TextChange as TextChange
from bitsft.data.clean.text import clean_text as clean_text
