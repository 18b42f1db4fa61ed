"""A training's settings as YAML that a script with `--config` takes (recipes/, examples/koalpaca_sft.py).

Two kinds of keys: those of `TernarySFTConfig` whose values were changed, and the script's own, from the YAML file
and the options that the recorded command named. `output_dir` is left out, so that the recorded model is not
overwritten. Paths stand as they were given: run it from the same folder.

Limits: what a script does by itself (how it splits, which callbacks it adds) is in its code, whose git commit
the record holds. With several processes or GPUs, give the same number again.
"""

from typing import Any

from bitsft.runs.record import RunRecord
from bitsft.runs.settings import HIDDEN

_LEFT_OUT = ("output_dir", "run_name", "resume_from_checkpoint", "logging_dir", "config")


def recipe_yaml(run: RunRecord) -> str:
    """Return the recipe of a training.

    Args:
        run: A record of kind "train".

    Raises:
        ValueError: It is no training, or its settings were not recorded.
    """
    import yaml

    training = run.settings.get("training")
    if run.kind != "train" or not isinstance(training, dict):
        raise ValueError(
            f"run {run.id} ({run.name}) is of kind {run.kind!r}: only a training by TernarySFTTrainer has a recipe"
        )
    changed = [name for name in run.settings.get("changed", []) if name in training]
    settings = {name: training[name] for name in changed if name not in _LEFT_OUT}
    settings.setdefault("seed", run.seed)
    own = script_values(run)
    script = {k: v for k, v in own.items() if k not in training and k not in _LEFT_OUT}
    said = [
        f"# Experiment {run.id}: {' '.join(run.name.split())}",
        f"# bitsft {run.versions.get('bitsft', '?')}, torch {run.versions.get('torch', '?')}"
        + (f", code {str(run.code['commit'])[:12]}" if run.code.get("commit") else ""),
        "#",
        f"#   python {run.command[0] if run.command else 'SCRIPT'} --config THIS_FILE --output_dir NEW_FOLDER",
        "",
    ]
    parts = ["\n".join(said)]
    if script:
        parts.append("# of the script\n" + _dumped(yaml, script))
    parts.append("# of TernarySFTConfig\n" + _dumped(yaml, settings))
    return "\n".join(parts)


def script_values(run: RunRecord) -> dict[str, Any]:
    """What the recorded command was given by its YAML file and its options; options win."""
    found: dict[str, Any] = {}
    for entry in run.data:
        values = entry.get("values")
        if entry.get("role") == "file" and isinstance(values, dict):
            found.update(values)
    found.update(_options(run.command[1:]))
    return {name: value for name, value in found.items() if value != HIDDEN}


def _options(arguments: list[str]) -> dict[str, Any]:
    """`--name value`, `--name=value`, `--name` -> {name: value}; values as YAML reads them."""
    import yaml

    found: dict[str, Any] = {}
    name = None
    for argument in arguments:
        if argument.startswith("--") and len(argument) > 2:
            option, equals, value = argument[2:].partition("=")
            name = option.replace("-", "_")
            found[name] = _scalar(yaml, value) if equals else True
            if equals:
                name = None
        elif name is not None:
            value = _scalar(yaml, argument)
            if found[name] is True:
                found[name] = value
            else:  # `--name a b`
                before = found[name]
                found[name] = [*before, value] if isinstance(before, list) else [before, value]
    return found


def _scalar(yaml: Any, text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if isinstance(value, bool | int | float) else text


def _dumped(yaml: Any, values: dict[str, Any]) -> str:
    return str(yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=10_000))
