"""How the signal of weights in the dead zone fades, so that nothing of it is left in the saved model.

    λ(step) = dead_zone_strength · max(0, 1 - step / (0.8 · steps of the run))

The formula of the signal and its gradient: bitsft/ternary/dead_zone.py. Differences from Tequila (arXiv 2509.23809,
λ = 0.001 throughout): there the term stays in the model as a bias. Here it is 0 from four fifths of the run on, and the
last fifth trains exactly the model that is saved; evaluation never sees it. It is added to layers with int8
activations, where the paper quantizes weights only. λ follows from the step alone, so a resumed run needs no state.
"""

FADED_AT = 0.8
"""Share of the steps after which the signal is exactly 0."""


def dead_zone_strength_at(strength: float, step: int, max_steps: int) -> float:
    """λ of the coming step.

    Args:
        strength: `dead_zone_strength`, λ at the first step.
        step: Optimizer steps done.
        max_steps: Steps of the whole run.

    Returns:
        λ in [0, strength].
    """
    return strength * max(0.0, 1.0 - step / (FADED_AT * max_steps))
