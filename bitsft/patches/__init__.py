"""Ternary patches: the few codes that a fine-tuning changes, as a file; on folders and on loaded models."""

from bitsft.patches.diff import diff_checkpoints as diff_checkpoints
from bitsft.patches.loaded_model import apply_patch as apply_patch
from bitsft.patches.loaded_model import revert_patch as revert_patch
from bitsft.patches.loaded_patch import LoadedPatch as LoadedPatch
from bitsft.patches.loaded_patch import load_patch as load_patch
from bitsft.patches.report import PatchReport as PatchReport
from bitsft.patches.restore import patch_checkpoint as patch_checkpoint
