"""Draw a run: loss, what was scored, and the ternary weights.

python examples/plot_run.py out/trainer_state.json run.png
"""

import argparse
import json
from pathlib import Path

from bitsft._extras import require

PANELS = {
    "loss": ("loss", "eval_loss"),
    "ROUGE (F)": ("eval_rouge1", "eval_rougeL"),
    "codes": ("share_minus_1", "share_0", "share_plus_1"),
    "flips per step": ("flip_rate",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("state", type=Path, help="trainer_state.json of a run")
    parser.add_argument("picture", type=Path, help="PNG, SVG or PDF to write")
    parser.add_argument("--title", default="")
    arguments = parser.parse_args()
    require("matplotlib", "plot")
    from matplotlib.figure import Figure

    log = json.loads(arguments.state.read_text(encoding="utf-8"))["log_history"]
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    figure.suptitle(arguments.title)
    for axis, (label, names) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        for name in names:
            points = [(entry["step"], entry[name]) for entry in log if name in entry]
            if points:
                axis.plot(
                    *zip(*points, strict=True), marker="." if "eval" in name else "", label=name
                )
        axis.set(xlabel="optimizer step", ylabel=label)
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend()
    figure.savefig(arguments.picture, dpi=120)


if __name__ == "__main__":
    main()
