from typing import Any

import numpy as np
import pytest

from bitsft.data.common.embeddings import unit_vectors


def test_vectors_have_length_1_and_zeros_stay() -> None:
    found = unit_vectors(lambda texts: [[3, 4] if text else [0, 0] for text in texts], ["가", ""])
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.zeros(2), r"^toy: embed returned an array of shape \(2,\) for 2 texts"),
        (np.zeros((3, 4)), r"shape \(3, 4\) for 2 texts"),
        (np.full((2, 4), np.inf), "not finite"),
    ],
)
def test_what_is_no_embedding(returned: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unit_vectors(lambda texts: returned, ["가", "나"], "toy")
