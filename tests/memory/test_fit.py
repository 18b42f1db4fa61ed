import pytest
from transformers import LlamaConfig

from bitsft.memory.fit import _largest, bytes_of, largest_that_fits
from bitsft.memory.forecast import RUNTIME_BYTES, Predictor


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8G", 8 * 1024**3),
        ("8GiB", 8 * 1024**3),
        ("1.5g", 1_610_612_736),
        ("500M", 524_288_000),
        ("3 KB", 3072),
        ("2T", 2 * 1024**4),
        ("77", 77),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "G", "8 apples", "-8G", "0"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        bytes_of(text)


def test_what_is_found_fits_and_much_more_does_not(small_config: LlamaConfig) -> None:
    room = RUNTIME_BYTES["cpu"] + 60_000_000
    batch, length = largest_that_fits(small_config, "lora-packed", room, batch_size=2, length=128)
    predictor = Predictor(small_config, "lora-packed")
    assert batch > 2
    assert predictor.forecast(batch, 128).total <= room
    assert predictor.forecast(2 * batch, 128).total > room
    assert length > 128
    assert length % 64 == 0
    assert predictor.forecast(2, length).total <= room
    assert predictor.forecast(2, 2 * length).total > room


def test_nothing_fits(small_config: LlamaConfig) -> None:
    assert largest_that_fits(small_config, "latent", 1000) == (0, 0)


def test_forecasts_between_and_beyond_traces_are_near_them(monkeypatch: pytest.MonkeyPatch) -> None:
    config = LlamaConfig(
        vocab_size=1000,
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=4,
    )
    predictor = Predictor(config, "lora-packed")
    for batch, length in ((1, 256), (1, 800), (2, 1024)):
        rough = predictor.rough_forecast(batch, length).peak
        with monkeypatch.context() as patch:
            patch.setattr("bitsft.memory.forecast._TRACED_TOKENS", (4096,))
            traced = predictor.forecast(batch, length).peak
        assert rough == pytest.approx(traced, rel=0.05)


@pytest.mark.parametrize("limit", [1, 2, 5, 8, 1000])
@pytest.mark.parametrize("most", [0, 1, 2, 3, 4, 7, 8, 9, 1023])
def test_the_largest_that_fits_is_found_up_to_the_limit(most: int, limit: int) -> None:
    assert _largest(lambda number: number <= most, limit) == min(most, limit)
