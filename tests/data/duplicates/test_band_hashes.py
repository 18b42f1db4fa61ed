import numpy as np
import pytest
from datasketch import MinHash

from bitsft.data.duplicates.band_hashes import band_hashes, bands_for
from bitsft.data.duplicates.gram_hashes import gram_sets


@pytest.mark.parametrize(
    ("threshold", "num_perm", "expected"),
    [
        (0.85, 128, (16, 8)),
        (0.8, 128, (21, 6)),
        (0.8, 64, (12, 5)),
        (0.5, 128, (42, 3)),
        (1.0, 128, (1, 128)),
    ],
)
def test_the_longest_bands_that_find_what_lies_at_the_threshold(
    threshold: float, num_perm: int, expected: tuple[int, int]
) -> None:
    assert bands_for(threshold, num_perm) == expected


def test_too_few_minhashes_are_refused() -> None:
    with pytest.raises(ValueError, match="raise num_perm or the threshold"):
        bands_for(0.1, 4)


def test_bands_agree_where_the_signatures_of_datasketch_do() -> None:
    texts = ["오늘 저녁에 비가 온다고 합니다", "오늘 저녁에 비가 온다고 했습니다", "내일 만나요"]
    sets = gram_sets([[text] for text in texts], 3, False)
    bands = band_hashes(sets, bands=32, rows=2, num_perm=64, seed=3)
    signatures = []
    start = 0
    for count in sets.counts.tolist():
        minhash = MinHash(num_perm=64, seed=3, hashfunc=int)
        for value in sets.hashes[start : start + count].tolist():
            minhash.update(value >> 32)
        start += count
        signatures.append(minhash.hashvalues.reshape(32, 2))
    agree = [
        [bool((signatures[i][band] == signatures[j][band]).all()) for band in range(32)]
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    found = [(bands[i] == bands[j]).tolist() for i, j in ((0, 1), (0, 2), (1, 2))]
    assert found == agree
    assert any(found[0])
    assert sum(found[0]) > sum(found[1])


def test_the_seed_counts_and_nothing_else_is_random() -> None:
    sets = gram_sets([["오늘 저녁에 비가 온다"]], 3, False)
    one, again, other = (band_hashes(sets, 4, 2, 8, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
