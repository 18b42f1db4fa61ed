"""The formats in and out."""

from bitsft.checkpoint.demo import demo_model_path as demo_model_path
from bitsft.checkpoint.demo import load_demo_model as load_demo_model
from bitsft.checkpoint.identity import ternary_base_identity as ternary_base_identity
from bitsft.checkpoint.load import load_ternary as load_ternary
from bitsft.checkpoint.packed import check_packable as check_packable
from bitsft.checkpoint.proof import VerifyReport as VerifyReport
from bitsft.checkpoint.proof import verify as verify
from bitsft.checkpoint.save import save_ternary as save_ternary
