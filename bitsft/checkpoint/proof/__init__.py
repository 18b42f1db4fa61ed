"""Proof that an export computes what the model computes."""

from bitsft.checkpoint.proof.report import VerifyReport as VerifyReport
from bitsft.checkpoint.proof.verify import verify as verify
