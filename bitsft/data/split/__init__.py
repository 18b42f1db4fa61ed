"""Records -> train, validation and test without leaks, and the folder that holds them.

split = split_records(records, {"train": 0.8, "validation": 0.1, "test": 0.1}, ledger=ledger)
write_split(split, "data/ready", ledger=ledger)
"""

from bitsft.data.split.assign import Assignment as Assignment
from bitsft.data.split.assign import assign_splits as assign_splits
from bitsft.data.split.folder import write_split as write_split
from bitsft.data.split.leaks import LeakReport as LeakReport
from bitsft.data.split.leaks import find_leaks as find_leaks
from bitsft.data.split.manifest import read_manifest as read_manifest
from bitsft.data.split.manifest import verify_manifest as verify_manifest
from bitsft.data.split.records import Split as Split
from bitsft.data.split.records import split_records as split_records
from bitsft.data.split.report import SplitReport as SplitReport
