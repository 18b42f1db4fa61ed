"""The server without a browser: where it listens, what it refuses, what it leaves behind."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bitsft.blind.page.serve import served
from bitsft.blind.session import BlindSession
from tests.blind.evaluations import pairs_of


def test_a_server_and_what_is_left_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("GRADIO_SHARE", "true"),
        ("GRADIO_SERVER_NAME", "0.0.0.0"),
        ("GRADIO_ALLOWED_PATHS", "/"),
        ("GRADIO_ROOT_PATH", "/elsewhere"),
        ("GRADIO_ANALYTICS_ENABLED", "True"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_HUB_DISABLE_TELEMETRY", raising=False)
    before = dict(os.environ)
    with served(BlindSession(pairs_of(2), tmp_path / "ratings.jsonl")) as address:
        assert address.startswith("http://127.0.0.1:")
        port = urlsplit(address).port
        assert port is not None
        listens_on_this_machine_only(port)
        other_names_are_refused(port)
        config = json.loads(got(port, "/config")[1])
        assert config["analytics_enabled"] is False and config["is_colab"] is False
        assert "/elsewhere" not in config["root"]
        assert got(port, f"/gradio_api/file={Path(__file__)}")[0] == 403
        with (
            pytest.raises(OSError, match=f"port {port} of 127.0.0.1 is in use; give another port"),
            served(BlindSession(pairs_of(2), tmp_path / "other.jsonl"), port=port),
        ):
            pytest.fail("two servers on one port")
    assert dict(os.environ) == before
    with pytest.raises(ConnectionRefusedError):
        got(port, "/")
    assert list(tmp_path.iterdir()) == []


def listens_on_this_machine_only(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        pass
    with pytest.raises(ConnectionRefusedError):  # one that listens on 0.0.0.0 answers here, too
        socket.create_connection(("127.0.0.2", port), timeout=5)


def other_names_are_refused(port: int) -> None:
    status, _, policy = got(port, "/", "127.0.0.1")
    assert status == 200 and policy is not None
    assert policy.startswith("default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval';")
    assert got(port, "/", "rebound.example.com")[0] == 400


def got(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, bytes, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read(), response.getheader("content-security-policy")
    finally:
        connection.close()


@pytest.fixture(autouse=True)
def _without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield
