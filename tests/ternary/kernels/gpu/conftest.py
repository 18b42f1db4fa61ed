"""Where the Triton kernels run: on a GPU if there is one, else in Triton's interpreter on CPU tensors."""

import pytest
import torch

pytest.importorskip("triton")


@pytest.fixture
def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
