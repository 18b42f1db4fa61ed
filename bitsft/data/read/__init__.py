"""Files, folders, Hub data sets, `datasets` objects -> raw rows."""

from bitsft.data.read.records import read_records as read_records
from bitsft.data.read.rows import read_rows as read_rows
