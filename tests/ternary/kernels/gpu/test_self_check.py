"""Kernels that are wrong on a device are found at their first use, and the reference takes their place."""

import logging
from typing import Any

import pytest
import torch

from bitsft.ternary import kernels
from bitsft.ternary.kernels import gpu, reference
from bitsft.ternary.kernels.gpu import self_check


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "gpu_kernels", gpu)
    monkeypatch.setattr(kernels, "gpu_kernels_are_checked", False)


def test_right_kernels_stay(device: str, caplog: pytest.LogCaptureFixture) -> None:
    assert self_check.wrong_kernels(torch.device(device)) == []
    kernels.check_gpu_kernels(torch.device(device))
    assert kernels.gpu_kernels is gpu and kernels.gpu_kernels_are_checked
    assert not caplog.records


@pytest.mark.parametrize(
    "name", ["quantize_rows", "ternary_product", "input_gradient", "weight_gradient"]
)
def test_a_wrong_kernel_is_named_and_replaced(
    name: str, device: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = getattr(self_check, name)

    def wrong(*arguments: Any) -> Any:
        result = right(*arguments)
        return (-result[0], result[1]) if isinstance(result, tuple) else -result

    monkeypatch.setattr(self_check, name, wrong)
    with caplog.at_level(logging.WARNING, logger="bitsft"):
        kernels.check_gpu_kernels(torch.device(device))
    assert kernels.gpu_kernels is reference
    assert f"differ from the reference ({name})" in caplog.text


def test_a_kernel_that_cannot_run_is_replaced(
    device: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(self_check, "quantize_rows", broken)
    kernels.check_gpu_kernels(torch.device(device))
    assert kernels.gpu_kernels is reference
    assert "RuntimeError: no such instruction" in caplog.text


class _OnAGpu:
    """What the choice asks of a tensor."""

    is_cuda, is_cpu, device = True, False, torch.device("cuda", 0)


def test_the_first_use_on_a_gpu_checks_and_later_ones_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked: list[torch.device] = []

    def check(on: torch.device) -> None:
        checked.append(on)
        monkeypatch.setattr(kernels, "gpu_kernels_are_checked", True)

    monkeypatch.setattr(kernels, "check_gpu_kernels", check)
    counts = []
    for capturing in (True, False, False):  # a CUDA graph cannot wait for a comparison
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda c=capturing: c)
        assert kernels.kernels_for(_OnAGpu()) is gpu  # type: ignore[arg-type]
        counts.append(len(checked))
    assert counts == [0, 1, 1] and checked == [torch.device("cuda", 0)]
