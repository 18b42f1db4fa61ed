"""Documents and question rows -> RAFT rows; what fits the token budget; quotes that are verbatim."""

from bitsft.data.raft_builder.build import REFUSALS as REFUSALS
from bitsft.data.raft_builder.build import build_raft as build_raft
from bitsft.data.raft_builder.chunks import split_text as split_text
from bitsft.data.raft_builder.counts import RaftCounts as RaftCounts
from bitsft.data.raft_builder.pool import ChunkPool as ChunkPool
from bitsft.data.raft_builder.quotes import check_quoted_records as check_quoted_records
from bitsft.data.raft_builder.quotes import check_quotes as check_quotes
from bitsft.data.raft_builder.trim import trim_records as trim_records
from bitsft.data.raft_builder.trim import trim_to_tokens as trim_to_tokens
