import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from bitsft.memory.live_bytes import LiveBytes, without_memory_


def test_storages_are_counted_while_they_live() -> None:
    with LiveBytes() as live:
        a = torch.zeros(1000)
        view = a.view(10, 100)
        assert live.now == 4000
        b = a + 1
        assert live.now == 8000
        del b
        assert (live.now, live.peak) == (4000, 8000)
        del a
        assert live.now == 4000  # the view holds it
        del view
    assert live.now == 0


def test_what_autograd_saves_counts_until_it_is_used() -> None:
    x = torch.zeros(100, requires_grad=True)
    live = LiveBytes()
    live.add(x)
    live.add(x.detach())
    with live:
        y = x.exp().sin().sum()
        assert live.now == 400 + 400 + 400 + 4 - 400  # exp is saved (as its result and sin's input)
        y.backward()
        del y
    assert live.now == 800  # x and its gradient


def test_start_forgets_an_earlier_peak() -> None:
    with LiveBytes() as live:
        torch.zeros(1000)
        assert (live.peak, live.start(), live.peak) == (4000, 0, 0)


def test_a_model_without_memory_computes_shapes_as_on_a_cpu() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    model[1].weight = model[0].weight
    with FakeTensorMode(), LiveBytes() as live:
        without_memory_(model)
        assert model[1].weight is model[0].weight or (
            model[1].weight.untyped_storage()._cdata == model[0].weight.untyped_storage()._cdata
        )
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = model(torch.empty(3, 8))
        assert (y.device.type, y.dtype, y.shape) == ("cpu", torch.bfloat16, (3, 8))
    assert live.peak > 0
