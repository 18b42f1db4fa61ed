"""The options of `build_raft`, checked before the first row is read."""

from dataclasses import dataclass

from bitsft.data.common.choices import check_choice


@dataclass(frozen=True)
class RaftOptions:
    """What `build_raft` was asked for; its arguments of the same names."""

    distractors: int
    p: float
    hard: float
    seed: int
    missing_oracle: str
    refusal: str
    cot_without_oracle: str
    too_few: str
    allow_answer_in_distractors: bool
    near_copy: float

    def check(self) -> None:
        """Raise ValueError for an option out of its range."""
        if isinstance(self.distractors, bool) or self.distractors < 0:
            raise ValueError(f"distractors={self.distractors} must be 0 or more")
        for name, share in (
            ("p", self.p),
            ("hard", self.hard),
            ("near_copy", self.near_copy),
        ):
            if not 0 <= share <= 1:
                raise ValueError(f"{name}={share} must be a share between 0 and 1")
        for name, value, known in (
            ("missing_oracle", self.missing_oracle, ("answer", "refuse")),
            ("cot_without_oracle", self.cot_without_oracle, ("drop", "keep")),
            ("too_few", self.too_few, ("reject", "fewer")),
        ):
            check_choice(name, value, known)
        if not self.refusal.strip():
            raise ValueError("refusal is empty; give the sentence that refused rows answer with")
