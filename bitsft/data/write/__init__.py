"""Records -> a JSONL or Parquet file, a list, or a `datasets.Dataset`: the end of every pipeline."""

from bitsft.data.write.records import as_dataset as as_dataset
from bitsft.data.write.records import collect as collect
from bitsft.data.write.records import write_records as write_records
