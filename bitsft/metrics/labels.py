"""Which label did a model write? A generated text -> one of the known labels, or none.

Of the answer only its first line counts, and of that its first clause: up to a full stop, an exclamation
or question mark, a colon or a bracket. Small models run on into the next row after a right answer. The
clause is a label when the two are equal

1. in their normal form (`normal_form`: NFC, no white space, no case; but "1 0" is not "10"),
2. or without quotes, asterisks and the punctuation around them: `"긍정".`, `**긍정**`, `긍정!`,
3. or without what Korean adds to a noun to make a sentence of it: 긍정입니다, 긍정적, 긍정적이다, 1번, 1번입니다.

The whole clause must be accounted for, so that an answer which names no single label is none:

| answer | read as | because |
|---|---|---|
| 긍정, 긍정입니다., 긍정적, "긍정\\n### 질문: ..." | 긍정 | |
| 매우 긍정 | 매우 긍정, where that is a label; else none | the longest label that fits |
| 10 | 10, never 1 | |
| 긍정, 부정 / 부정적 긍정 / 긍정 아님 / 긍정도 부정도 아닙니다 | none | they repeat the choice, or deny it |
| 이 글은 긍정입니다 | none | a label inside a sentence may be denied or quoted there |
| (blank) | none | |

Limits: the rule rather leaves an answer unread than guesses it. A model that answers in whole sentences is
judged too low by it: compare by likelihood then (`label_likelihoods`).
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bitsft.data.common.normal_form import normal_form
from bitsft.metrics.pairs import read_pairs

if TYPE_CHECKING:
    import numpy as np

_COPULAS = ("", "입니다", "이다", "임", "이에요", "이예요", "에요", "예요", "이야", "이요", "요")
# "긍정적", and after numbers "1번"; the shortest first, so that the longest label is found
_ENDINGS = sorted(
    (noun + copula for noun, copula in itertools.product(("", "적", "번"), _COPULAS)), key=len
)
_MARKS = "\"'`“”‘’「」『』《》〈〉*_"
_AROUND = _MARKS + "()[]{}（）【】.,!?;:。，！？：；…·~ \t"
_WITHOUT_MARKS = str.maketrans(dict.fromkeys(_MARKS))
_CLAUSE_END = re.compile(r"[.!?。！？…]+(?=\s|$)|[:：()（）\[\]【】]")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)\s+(?=\d)")

READING = "read:clause|norm:nfc+casefold"
"""How answers are read, for signatures."""


class LabelReader:
    """Reads the label that a generated text names.

    Args:
        labels: The known labels, two or more in practice.

    Attributes:
        labels: The same, as a tuple.

    Raises:
        ValueError: When there are none, one is blank, or two are the same in their normal form.
        TypeError: When `labels` is a bare string.

    Example:
        >>> reader = LabelReader(["긍정", "부정"])
        >>> reader.read("긍정적입니다."), reader.read("긍정, 부정")
        ('긍정', None)
    """

    def __init__(self, labels: Iterable[str]) -> None:
        if isinstance(labels, str):
            raise TypeError(f"labels is one string ({labels!r}): put it in brackets")
        self.labels = tuple(labels)
        if not self.labels:
            raise ValueError("labels is empty: name the classes, e.g. labels=['긍정', '부정']")
        self._exact: dict[str, str] = {}
        self._bare: dict[str, str] = {}
        for label in self.labels:
            key = label_key(label)
            if not key:
                raise ValueError(f"labels has {label!r}, which is blank: no answer can name it")
            if key in self._exact:
                raise ValueError(
                    f"labels has {self._exact[key]!r} and {label!r}, which differ in case, white "
                    "space or Unicode form only: keep one of them"
                )
            self._exact[key] = label
            self._bare.setdefault(_bare_key(label), label)

    def read(self, text: str) -> str | None:
        """The label that this text names, as it stands in `labels`; None when it names none.

        Args:
            text: What a model wrote.
        """
        line = next(iter(text.strip().splitlines()), "")
        for part in dict.fromkeys((line, _first_clause(line))):
            exact = self._exact.get(label_key(part))
            if exact is not None:
                return exact
            key = _bare_key(part)
            for ending in _ENDINGS:
                if not key.endswith(ending):
                    continue
                noun = key[: len(key) - len(ending)]
                label = self._bare.get(noun)
                if label is not None and ("번" not in ending or noun[-1].isdigit()):
                    return label
        return None


def read_labels(
    predictions: Sequence[str], references: Sequence[str], labels: Sequence[str] | None
) -> "tuple[tuple[str, ...], np.ndarray, np.ndarray]":
    """Read the labels of n rows as numbers.

    Args:
        predictions: n generated texts.
        references: n labels.
        labels: The classes. None takes those among the references, sorted, each as it is spelled first.

    Returns:
        The L labels, and of each row the numbers of the true and of the predicted one, int64 [n]; L stands for
        an answer that is no known label.

    Raises:
        ValueError: When the lists are empty or differ in length, a reference is blank or not among `labels`, or
            two of `labels` are the same in their normal form.
    """
    import numpy as np

    predictions, references = read_pairs(predictions, references)
    keys = [label_key(reference) for reference in references]
    if "" in keys:
        raise ValueError(f"references[{keys.index('')}] is blank, but every row needs its label")
    if labels is None:
        spelled = {
            key: text.strip() for key, text in zip(keys[::-1], references[::-1], strict=True)
        }
        labels = sorted(spelled.values())
    reader = LabelReader(labels)
    number = {label_key(label): at for at, label in enumerate(reader.labels)}
    unknown = next((row for row, key in enumerate(keys) if key not in number), None)
    if unknown is not None:
        raise ValueError(
            f"references[{unknown}] is {references[unknown]!r}, which is not among the labels "
            f"{', '.join(reader.labels)}: name it there, or drop the row"
        )
    read = {text: reader.read(text) for text in set(predictions)}
    numbers = {
        text: len(number) if label is None else number[label_key(label)]
        for text, label in read.items()
    }
    true = np.array([number[key] for key in keys], dtype=np.int64)
    predicted = np.array([numbers[text] for text in predictions], dtype=np.int64)
    return reader.labels, true, predicted


def label_key(label: str) -> str:
    """The form in which labels are compared; white space between two digits counts."""
    return " ".join(map(normal_form, _BETWEEN_DIGITS.split(label)))


def _bare_key(text: str) -> str:
    bare = label_key(text.translate(_WITHOUT_MARKS).strip(_AROUND))
    return bare or label_key(text)  # of a label like "***" nothing would be left


def _first_clause(line: str) -> str:
    start = len(line) - len(line.lstrip(_AROUND))
    end = _CLAUSE_END.search(line, start)
    return line[start : end.start()] if end else line[start:]
