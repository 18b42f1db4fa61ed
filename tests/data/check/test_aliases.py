import unicodedata
from collections import Counter

from bitsft.data.check.aliases import ALIASES
from bitsft.data.check.records import SCHEMAS
from bitsft.data.tasks import TASKS


def test_every_name_stands_for_one_column_of_a_task() -> None:
    assert ALIASES.keys() == TASKS.keys()
    for task, table in ALIASES.items():
        names = Counter(name for names in table.values() for name in names)
        assert [name for name, times in names.items() if times > 1] == []
        assert table.keys() <= SCHEMAS[task].reads
        assert not names.keys() & SCHEMAS[task].reads


def test_names_are_written_as_they_are_compared() -> None:
    for table in ALIASES.values():
        for names in table.values():
            for name in names:
                assert name == unicodedata.normalize("NFC", name).strip().casefold()
