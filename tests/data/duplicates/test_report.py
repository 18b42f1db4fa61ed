from collections import Counter

from bitsft.data.duplicates.report import DuplicateReport


def test_counts() -> None:
    report = DuplicateReport(exact=3, near=5, clusters=2, sizes=Counter({12: 1, 3: 1}), refused=1)
    report.conflicts = 1200
    assert report.as_dict() == {
        "exact": 3,
        "near": 5,
        "clusters": 2,
        "cluster_sizes": {"3": 1, "12": 1},
        "refused_by_second_opinion": 1,
        "conflicts": 1200,
    }
    assert str(report) == (
        "3 exact duplicates, 5 near ones in 2 clusters of up to 12 rows, 1 more refused by the second "
        "opinion, 1,200 questions answered differently"
    )
    assert str(DuplicateReport()) == "0 exact duplicates, 0 near ones"
