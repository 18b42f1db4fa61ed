"""model_folder: what is a path, and which files of a Hub model are fetched from which commit."""

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import OfflineModeIsEnabled

from bitsft.checkpoint import hub_folder
from bitsft.checkpoint.hub_folder import model_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The downloads that were asked for, of a repository with an index."""
    made: list[tuple[str, dict[str, Any]]] = []
    folder = tmp_path / COMMIT
    folder.mkdir()
    (folder / "model.safetensors.index.json").write_text("{}")

    def download(repo: str, **options: Any) -> str:
        made.append((repo, options))
        return str(folder)

    monkeypatch.setattr(hub_folder, "snapshot_download", download)
    return made


def test_a_path_is_itself_and_nothing_is_fetched(tmp_path: Path, calls: list[Any]) -> None:
    (tmp_path / "file.gguf").write_bytes(b"")
    for path in (tmp_path, tmp_path / "none", tmp_path / "file.gguf", Path("a/b/c")):
        assert model_folder(path) == path
    assert model_folder("./none") == Path("none")
    assert calls == []


def test_other_files_come_with_the_configs_and_both_from_one_commit(
    tmp_path: Path, calls: list[Any]
) -> None:
    found = model_folder("owner/name", revision="v1", beside=["*.jinja"], ignore_patterns=["*/*"])
    assert found == tmp_path / COMMIT
    flat = {"ignore_patterns": ["*/*"]}
    assert calls == [
        (
            "owner/name",
            {"revision": "v1", "allow_patterns": ["*.json", "*.py", "*.jinja"], **flat},
        ),
        ("owner/name", {"revision": COMMIT, "allow_patterns": ["model-*.safetensors"], **flat}),
    ]


def test_offline_is_said_as_no_such_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repo: str, **options: Any) -> str:
        raise OfflineModeIsEnabled("HF_HUB_OFFLINE is set")

    monkeypatch.setattr(hub_folder, "snapshot_download", download)
    with pytest.raises(FileNotFoundError, match="'owner/name' is no folder.*HF_HUB_OFFLINE is set"):
        model_folder("owner/name")
