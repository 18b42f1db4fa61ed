"""Examples are short, and show of personal data its first and last character."""

from bitsft.data.clean import TextChange, clean_records, show_changes
from bitsft.data.clean.examples import example, hidden
from bitsft.data.ledger import Ledger

ROW = {
    "task": "koalpaca",
    "instruction": "제 번호는  010-1234-5678이고 메일은 nari@noeul-sample.kr입니다.",
    "output": "네.",
}


def test_hidden() -> None:
    assert hidden("010-1234-5678") == "0***********8"
    assert hidden("ab") == "**"


def test_only_the_words_around_the_change() -> None:
    long = "가" * 100
    change = TextChange("white space", 1, f"{long}  {long}", f"{long} {long}")
    left, right = "가" * 29, "가" * 30
    assert example(change, (), False) == (f"…{left}  {right}…", f"…{left} {right}…")


def test_personal_data_is_hidden() -> None:
    ledger = Ledger()
    list(clean_records([ROW], ledger=ledger))
    shown = show_changes(ledger)
    assert shown == (
        "email masked: 1 times in 1 rows\n"
        "  row 0, instruction\n"
        "    - '제 번호는 0***********8이고 메일은 n******************r입니다.'\n"
        "    + '제 번호는 [전화번호]이고 메일은 [이메일]입니다.'\n"
        "phone masked: 1 times in 1 rows\n"
        "  row 0, instruction\n"
        "    - '제 번호는 0***********8이고 메일은 n******************r입니다.'\n"
        "    + '제 번호는 [전화번호]이고 메일은 [이메일]입니다.'\n"
        "white space: 1 times in 1 rows\n"
        "  row 0, instruction\n"
        "    - '제 번호는  ***-****-****이고 메일은 ****@*****…'\n"
        "    + '제 번호는 ***-****-****이고 메일은 ****@*****…'"
    )


def test_personal_data_is_shown_on_request() -> None:
    ledger = Ledger()
    list(clean_records([ROW], ledger=ledger, show_personal=True))
    assert "'제 번호는  010-1234-5678이고 메일은 nari@noeul…'" in show_changes(ledger)


def test_nothing_changed() -> None:
    assert show_changes(Ledger()) == "clean: nothing changed"
