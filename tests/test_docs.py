"""Every python block of the README and of the docs runs, in order, one namespace a page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "README.ko.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if BLOCK.search(p.read_text("utf-8"))], ids=lambda p: p.name
)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": page.stem}
    text = page.read_text("utf-8")
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        code = "\n" * line + match.group(1)  # so that a traceback names the page's line
        exec(compile(code, str(page), "exec"), namespace)
    assert len(namespace) > 2, "the blocks defined something"


def test_the_two_readmes_are_in_step() -> None:
    english, korean = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.ko.md"))
    without_comments = [
        [re.sub(r"\s*#.*", "", block) for block in BLOCK.findall(text)]
        for text in (english, korean)
    ]
    assert without_comments[0] == without_comments[1]
    links = [re.findall(r"\]\((?!README)([^)]+)\)", text) for text in (english, korean)]
    assert links[0] == links[1]
    assert english.count("\n## ") == korean.count("\n## ")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
