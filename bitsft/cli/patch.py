"""`bitsft diff BASE TUNED` and `bitsft patch BASE PATCH`: fine-tunings as small files.

    bitsft diff base/ tuned/                                # writes tuned.patch.safetensors, prints what is in it
    bitsft patch base/ tuned.patch.safetensors --output tuned/      # every file of tuned/ as it was

Exit status: 0, or 1 with the reason in one line; then nothing was written.
"""

import argparse
from pathlib import Path

SUFFIX = ".patch.safetensors"


def add_diff_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft diff` and what runs it (`parsed.run`).

    Args:
        parser: The verb's own parser.
    """
    parser.add_argument(
        "base", metavar="BASE", help="what was fine-tuned: a folder with safetensors, or a Hub id"
    )
    parser.add_argument(
        "tuned",
        metavar="TUNED",
        help="what became of it; small patches need both in the same packed form (see `bitsft export`)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="PATCH",
        help=f"the file to write (default: the name of TUNED and {SUFFIX}, in the working folder)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    _add_remote_code(parser)
    parser.set_defaults(run=run_diff)


def add_patch_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bitsft patch` and what runs it (`parsed.run`).

    Args:
        parser: The verb's own parser.
    """
    parser.add_argument(
        "base", metavar="BASE", help="the model that the patch was made against: a folder or Hub id"
    )
    parser.add_argument("patch", metavar="PATCH", type=Path, help="a file that `bitsft diff` wrote")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", required=True, help="the folder to write"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a folder that is not empty"
    )
    parser.set_defaults(run=run_patch)


def run_diff(parsed: argparse.Namespace) -> int:
    """Write the patch, and print what it holds.

    Args:
        parsed: What `add_diff_arguments` asked for.

    Returns:
        0.

    Raises:
        ValueError, OSError: As `diff_checkpoints`.
    """
    from bitsft.patches import diff_checkpoints

    output = parsed.output or Path(Path(parsed.tuned).resolve().name + SUFFIX)
    report = diff_checkpoints(
        parsed.base,
        parsed.tuned,
        output,
        overwrite=parsed.overwrite,
        trust_remote_code=parsed.trust_remote_code,
    )
    print(report)
    return 0


def run_patch(parsed: argparse.Namespace) -> int:
    """Restore the folder, and print what was written.

    Args:
        parsed: What `add_patch_arguments` asked for.

    Returns:
        0.

    Raises:
        ValueError, OSError: As `patch_checkpoint`.
    """
    from bitsft.patches import patch_checkpoint

    files = patch_checkpoint(parsed.base, parsed.patch, parsed.output, overwrite=parsed.overwrite)
    for file in files:
        print(f"{file.stat().st_size / 1e6:12.2f} MB  {file}")
    print(f"{len(files)} files, each with the SHA-256 of the original.")
    return 0


def _add_remote_code(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trust-remote-code",
        action="store_true",
        help="allow model code that lies in the folders (read it first); without it, a patch of such a model cannot be "
        "applied to a loaded one",
    )
