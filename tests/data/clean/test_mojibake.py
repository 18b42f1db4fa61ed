"""What was read with the wrong charset is repaired where that is certain, and nothing else is touched."""

import builtins
import sys
from typing import Any

import pytest

from bitsft.data.clean import Cleaning, clean_text
from bitsft.data.clean.mojibake import repair_mojibake

HELLO = "안녕하세요：“반갑습니다” 100°C"


def test_utf8_read_as_latin_1_or_windows_1252() -> None:
    assert repair_mojibake(HELLO.encode().decode("latin-1")) == (HELLO, 1)
    assert repair_mojibake("그는 â€œ네â€\x9d라고 했다") == ("그는 “네”라고 했다", 1)


def test_cp949_read_as_latin_1() -> None:
    wrong = "안녕하세요, 반갑습니다!".encode("cp949").decode("latin-1")
    assert wrong == "¾È³çÇÏ¼¼¿ä, ¹Ý°©½À´Ï´Ù!"
    assert repair_mojibake(wrong) == ("안녕하세요, 반갑습니다!", 1)


def test_utf8_read_as_cp949() -> None:
    wrong = "복사".encode().decode("cp949")
    assert wrong == "蹂듭궗"
    assert repair_mojibake(wrong) == ("복사", 1)


@pytest.mark.parametrize(
    "text",
    [
        "café에서 30°C ± 5, naïve Señor",
        "“따옴표” ‘그대로’ … — ： ， ｆｕｌｌ",
        "&lt;b&gt; 그대로",
        "大韓民國 人間 李箱(理想)",
        "처 쨔 뷁",  # one syllable alone would be valid UTF-8
        "°°°° ¿¿ §§",
        "ㅋㅋㅋ ㎏",
        "\ud83d 반쪽",
    ],
)
def test_sound_text_stays(text: str) -> None:
    assert repair_mojibake(text) == (text, 0)


def test_off_by_default() -> None:
    wrong = "안녕하세요".encode("cp949").decode("latin-1")
    assert clean_text(wrong).text == wrong
    cleaned = clean_text(wrong, Cleaning(mojibake=True))
    assert cleaned.text == "안녕하세요"
    assert [change.kind for change in cleaned.changes] == ["mojibake repair"]


def test_without_ftfy_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from bitsft.data.clean import mojibake

    real_import = builtins.__import__

    def no_ftfy(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "ftfy":
            raise ModuleNotFoundError("No module named 'ftfy'", name="ftfy")
        return real_import(name, *args, **kwargs)

    mojibake._ftfy.cache_clear()
    monkeypatch.setitem(sys.modules, "ftfy", None)
    monkeypatch.setattr(builtins, "__import__", no_ftfy)
    with pytest.raises(ImportError, match=r"bitsft\[data\]"):
        repair_mojibake("café")
    mojibake._ftfy.cache_clear()
