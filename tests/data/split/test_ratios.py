import pytest

from bitsft.data.split.ratios import RATIOS, check_ratios


def test_good_ratios_keep_their_order() -> None:
    assert check_ratios(RATIOS) == {"train": 0.8, "validation": 0.1, "test": 0.1}
    assert list(check_ratios({"b": 0.5, "a": 0.5})) == ["b", "a"]
    assert check_ratios({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})["a"] == 1 / 3


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ({"train": 8, "test": 2}, r"add up to 10, not to 1; .* \{'train': 0.8, 'test': 0.2\}"),
        ({"train": 0.8, "test": 0.1}, "add up to 0.9, not to 1"),
        ({"train": 1.1, "test": -0.1}, r"ratios\['test'\]=-0.1 must be a number between 0 and 1"),
        ({"train": 1.0, "test": 0}, r"ratios\['test'\]=0 must be .* leave out a split"),
        ({"train": float("nan"), "test": 0.1}, r"ratios\['train'\]=nan must be"),
        ({"train": True, "test": 0.1}, r"ratios\['train'\]=True must be"),
        ({"train": "0.9", "test": 0.1}, r"ratios\['train'\]='0.9' must be"),
        ({"train": 1.0}, "must name 2 to 64 splits"),
        ({"train": 0.5, "../x": 0.5}, r"names a split '../x'; use Latin letters"),
        ({"train": 0.5, "all": 0.5}, "and not 'all'"),
        ({"train": 0.5, 3: 0.5}, "names a split 3"),
        ({"train": 0.5, "Train": 0.5}, "names 'train' and 'Train', which are one file"),
    ],
)
def test_bad_ratios(ratios: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_ratios(ratios)
