"""The page of a blind comparison: Gradio on 127.0.0.1, and nothing beyond it.

Gradio serves one component of its own kind (`gr.HTML` with a template, a script and functions of the server);
page.html, page.css and page.js are all of it. Texts reach the browser as JSON and are set as `textContent`, so
nothing in a model's answer is taken for HTML, Markdown, LaTeX or script.

- bound to 127.0.0.1; requests for another host name are refused, so that no web site can reach it by a name that
  it made point here (DNS rebinding);
- a Content-Security-Policy lets the browser load from this server only;
- no share link, no analytics, no monitoring or run history, fonts of the system. Variables of the environment
  that would change this (GRADIO_...) are put aside while the page is served, and are back afterwards.
"""

import os
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from bitsft._extras import require
from bitsft.blind.session import BlindSession, Reply

HOST = "127.0.0.1"
_POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'none'; "
    "form-action 'self'; base-uri 'self'"
)
_FRAME_STYLE = """
.gradio-container { overflow: visible !important; } /* else nothing in it can stick to the window's edge */
.gradio-container .fillable.fillable { padding: 0.5rem; max-width: none; }
"""
_FIRST_PORT, _PORTS = 7860, 100


@contextmanager
def served(session: BlindSession, *, port: int | None = None) -> Iterator[str]:
    """Serve the page while the block runs.

    Args:
        session: The comparison.
        port: Of 127.0.0.1; None takes the first free one from 7860 on.

    Yields:
        The address, `"http://127.0.0.1:PORT/"`.

    Raises:
        ImportError: When gradio is not installed (extra `blind`).
        OSError: When the port is in use.
    """
    number = _free_port(port)
    with _environment():
        gradio = require("gradio", "blind")
        page = _page(gradio, session)
        try:
            _, address, _ = page.launch(
                server_name=HOST,
                server_port=number,
                share=False,
                prevent_thread_lock=True,
                quiet=True,
                ssr_mode=False,
                enable_monitoring=False,
                mcp_server=False,
                footer_links=[],
                css=_FRAME_STYLE,
                app_kwargs={"middleware": _middleware()},
                theme=gradio.themes.Base(
                    font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
                ),
            )
            yield address
        finally:
            page.close(verbose=False)


def serve(session: BlindSession, *, port: int | None = None) -> None:
    """Serve the page, say where, and return when Ctrl-C is pressed.

    Args:
        session: The comparison.
        port: As for `served`.
    """
    with served(session, port=port) as address:
        print(f"Rate at {address}  (only from this machine; Ctrl-C ends it)", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("\nStopped. Every rating that was given is saved.")


def _page(gradio: Any, session: BlindSession) -> Any:
    parts = {
        name: files(__package__).joinpath(name).read_text(encoding="utf-8")
        for name in ("page.html", "page.css", "page.js")
    }

    def start(asked: Any) -> Reply:
        return _answered(session.start, asked)

    def item(asked: Any) -> Reply:
        return _answered(session.item, asked)

    def save(asked: Any) -> Reply:
        return _answered(session.save, asked)

    with gradio.Blocks(analytics_enabled=False, title="Blind comparison", fill_width=True) as page:
        gradio.HTML(
            html_template=parts["page.html"],
            css_template=parts["page.css"],
            js_on_load=parts["page.js"],
            server_functions=[start, item, save],
            apply_default_css=False,
        )
    return page


def _answered(function: Callable[..., Reply], asked: Any) -> Reply:
    """Call with the arguments that the page sent; what is wrong with them is said on the page."""
    try:
        return function(*asked)
    except (TypeError, ValueError) as error:
        return {"error": str(error)}
    except OSError as error:
        return {"error": f"The rating is not saved: {error}"}


def _middleware() -> list[Any]:
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
        Middleware(_Policy),
    ]


class _Policy:
    """Adds the Content-Security-Policy to every response."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Callable[..., Any]) -> None:
        async def with_policy(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _POLICY.encode())
                message["headers"] = [*message.get("headers", ()), policy]
            await send(message)

        await self._app(scope, receive, with_policy)


def _free_port(port: int | None) -> int:
    import socket

    for number in [port] if port is not None else range(_FIRST_PORT, _FIRST_PORT + _PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, number))
            except OSError:
                continue
            return number
    said = f"port {port} of {HOST} is" if port is not None else f"{_PORTS} ports are"
    raise OSError(f"{said} in use; give another port, or end the program that uses it")


@contextmanager
def _environment() -> Iterator[None]:
    """Without the caller's GRADIO_ variables and with analytics off; as it was, afterwards."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith("GRADIO_"):
            del os.environ[name]
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_RUN_HISTORY="False")
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
