"""One number with what is needed to reproduce it: the result type of every metric in this package.

The text form follows sacreBLEU (Post 2018, https://aclanthology.org/W18-6319), which prints
`name|key:value|key:value = number`: two numbers may be compared when their signatures are equal.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """A metric's value and its signature.

    Attributes:
        name: The name that gets logged, e.g. `"rougeL"`.
        value: A plain Python float; its range belongs to the metric.
        signature: Tokenizer, settings and versions, as `key:value` joined by `|`.

    Example:
        >>> print(Score("bleu", 35.930411, "nrefs:1|tok:char"))
        bleu|nrefs:1|tok:char = 35.93
    """

    name: str
    value: float
    signature: str

    def __str__(self) -> str:
        return f"{self.name}|{self.signature} = {self.value:.4g}"
