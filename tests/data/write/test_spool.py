from hypothesis import given
from hypothesis import strategies as st

from bitsft.data.records import Record
from bitsft.data.write.spool import Spool

RECORDS = st.builds(
    Record,
    st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=3),
    st.sampled_from(["", "가.csv", "b c.tsv"]),
    st.integers(0, 10**9),
)


@given(st.lists(RECORDS, max_size=8), st.sampled_from([1, 50, 2**20]))
def test_records_come_back_as_they_were(records: list[Record], in_memory: int) -> None:
    spool = Spool(in_memory=in_memory)
    for record in records:
        spool.add(record)
    assert len(spool) == len(records)
    assert [spooled.record() for spooled in spool] == records
    # Two readers side by side do not disturb each other.
    for one, other, record in zip(spool, spool, records, strict=True):
        assert one.record() == other.record() == record
    spool.close()


def test_rows_larger_than_a_block_and_sources_counted() -> None:
    spool = Spool(in_memory=1)
    texts = ["가" * 700_000, "나", "다" * 1_500_000]
    for number, text in enumerate(texts):
        spool.add(Record({"text": text}, "a.csv" if number else "", number))
    assert [spooled.record().values["text"] for spooled in spool] == texts
    assert spool.sources == {"": 1, "a.csv": 2}
    spool.close()
