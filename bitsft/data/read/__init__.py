"""Files, folders, Hub data sets -> raw rows."""

from bitsft.data.read.rows import read_rows as read_rows
