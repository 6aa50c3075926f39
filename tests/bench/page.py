"""Measures the page in Chromium: first paint, token latency, a long history, and what an open page
costs the endpoint.

`uv run python -m tests.bench.page` prints Markdown with machine, date and n.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from orch import __version__
from orch.storage.journal import Journal, RunRecord
from orch.text.redact import Redactor
from tests.bench.__main__ import machine
from tests.bench.server.contestants import MODELS_YAML, ROUTING_YAML, upstream
from tests.bench.server.process import ROOT, environment, module
from tests.bench.server.prompts import MODELS, PINNED
from tests.support.browser import DESK, chromium, orch_serve, visits

TOKENS, APART_S = 60, 0.08
RUNS = 5_000
SEEN = """() => {
  window.seen = [];
  window.watching?.disconnect();
  const shown = window.shown ??= new Set();
  window.watching = new MutationObserver(() => {
    for (const [word] of document.body.textContent.matchAll(/t\\d{13}t/g)) {
      if (shown.has(word)) continue;
      shown.add(word);
      window.seen.push(Date.now() - Number(word.slice(1, -1)));
    }
  });
  window.watching.observe(document.body, {childList: true, subtree: true, characterData: true});
}"""
FRAMES = """() => new Promise(done => {
  const gaps = []; let last = performance.now(); let down = 0;
  const step = now => {
    gaps.push(now - last); last = now; window.scrollBy(0, 120);
    if (++down < 60) requestAnimationFrame(step); else done(gaps.slice(2));
  };
  requestAnimationFrame(step);
})"""


class _Stamping(BaseHTTPRequestHandler):
    """An Ollama with one model whose tokens carry the time they were sent."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""

    def do_GET(self) -> None:
        """Returns the installed and loaded models."""
        model = {
            "name": "stamp:1b",
            "model": "stamp:1b",
            "size": 1_000_000_000,
            "digest": "d",
            "details": {"parameter_size": "1B", "family": "llama"},
        }
        self._whole({"models": [model], "version": "0.12.0"})

    def do_POST(self) -> None:
        """Returns the model's metadata, or an answer."""
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path != "/api/chat":
            self._whole(
                {
                    "capabilities": ["completion"],
                    "model_info": {"general.architecture": "llama", "llama.context_length": 8192},
                }
            )
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(ConnectionError):
            self._stream()

    def _stream(self) -> None:
        for _ in range(TOKENS):
            time.sleep(APART_S)
            self._line(
                {
                    "message": {"role": "assistant", "content": f"t{int(time.time() * 1000)}t "},
                    "done": False,
                }
            )
        self._line(
            {
                "message": {"role": "assistant", "content": ""},
                "done": True,
                "done_reason": "stop",
                "prompt_eval_count": 9,
                "eval_count": TOKENS,
            }
        )
        self.wfile.write(b"0\r\n\r\n")

    def _whole(self, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _line(self, value: dict[str, Any]) -> None:
        line = json.dumps({"model": "stamp:1b", **value}).encode() + b"\n"
        self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
        self.wfile.flush()


@contextmanager
def _stamping() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stamping)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def first_paints(browser: Browser, url: str, n: int) -> list[float]:
    """Milliseconds to the first contentful paint of `/`, with the browser's cache warm."""
    page = browser.new_context(viewport={"width": DESK[0], "height": DESK[1]}).new_page()
    found = []
    for _ in range(n + 1):
        page.goto(url)
        page.wait_for_function(
            "() => performance.getEntriesByName('first-contentful-paint').length"
        )
        found.append(
            float(
                page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            )
        )
    page.context.close()
    return found[1:]


def lateness(page: Page, n: int) -> list[float]:
    """Milliseconds from sending a token to its appearance on the page."""
    found: list[float] = []
    for number in range(n):
        page.evaluate(SEEN)
        box = page.locator(".orch-chat-asking textarea").first
        box.fill(f"Say when, number {number}")
        box.press("Enter")
        page.wait_for_function(f"() => window.seen.length >= {TOKENS}", timeout=60_000)
        found += page.evaluate("window.seen")
    return found


def remember(home: Path, count: int) -> None:
    """Fills the journal with runs."""
    journal = Journal(home / "journal.sqlite3", Redactor({}), "full", 10**9)
    now = time.time()
    runs = [
        RunRecord(
            run_id=f"bench{number:012d}",
            at=now - number,
            face="server",
            status="ok",
            task=f"Question {number} about something that is not short",
            answer="An answer. " * 20,
            messages=[],
            system=None,
            confidence=0.9,
            decision=None,
            attempts=[],
            task_type="writing",
            model="stamp:1b",
            provider="ollama",
        )
        for number in range(count)
    ]
    journal.record_all(runs)
    journal.close()


def rates(browser: Browser, home: Path, rounds: int, seconds: float) -> list[tuple[float, float]]:
    """Requests/s of the endpoint at 32 connections, alternately without and with the page's
    Activity view open."""
    place = home / "rate"
    place.mkdir()
    with upstream(place) as model:
        (place / "models.yaml").write_text(
            MODELS_YAML.format(*MODELS, kind="openai", url=model.url), encoding="utf-8"
        )
        (place / "routing.yaml").write_text(ROUTING_YAML, encoding="utf-8")
        with orch_serve(env={"ORCH_HOME": str(place / "home"), "ORCH_CONFIG": str(place)}) as (
            url,
            _,
        ):
            _rate(url, seconds)
            found = []
            for _ in range(rounds):
                without = _rate(url, seconds)
                page = browser.new_page()
                page.goto(f"{url}/activity")
                page.wait_for_timeout(1_500)
                found.append((without, _rate(url, seconds)))
                page.close()
            return found


def _rate(url: str, seconds: float) -> float:
    words = module("load", url, "--model", PINNED, "--connections", "32", "--seconds", str(seconds))
    done = subprocess.run(
        words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, check=True, timeout=120
    )
    return float(json.loads(done.stdout)["per_s"])


def _spread(values: list[float], unit: str) -> str:
    ordered = sorted(values)
    return (
        f"{statistics.median(ordered):,.0f} {unit} (95 %:"
        f" {ordered[int(len(ordered) * 0.95) - 1]:,.0f})"
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.page", description=__doc__)
    parser.add_argument("-n", type=int, default=10, help="Loads of the page. Default 10.")
    parser.add_argument(
        "--rounds", type=int, default=5, help="Rounds with and without the page open. Default 5."
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, visits(browser) as visit:
        home = Path(folder)
        with _stamping() as ollama:
            os.environ.update(ORCH_HOME=folder, OLLAMA_HOST=ollama)
            remember(home, RUNS)
            with orch_serve() as (url, _):
                paints = first_paints(browser, url, args.n)
                late = lateness(visit(url), 3)
                history = visit(f"{url}/activity")
                history.wait_for_selector(".orch-runs tbody tr")
                frames = [float(gap) for gap in history.evaluate(FRAMES)]
        pairs = rates(browser, home, args.rounds, 3.0)
    share = statistics.median(with_page / without for without, with_page in pairs)
    print(
        f"orch {__version__} · {machine()} · {datetime.now(UTC).date()}\n\n| what | measured | goal"
        " |\n|---|---|---|"
    )
    print(f"| first paint of `/`, warm (n={args.n}) | {_spread(paints, 'ms')} | 1,500 ms |")
    print(
        f"| a token, from the model to the page (n={len(late)}) | {_spread(late, 'ms')} | 50 ms |"
    )
    print(
        f"| a frame while {RUNS:,} runs are scrolled (n={len(frames)}) | {_spread(frames, 'ms')} |"
        " no slow scroll |"
    )
    print(
        f"| requests/s with the page open, of without (n={len(pairs)} rounds) | {share:.0%} |"
        " 95 % |"
    )


if __name__ == "__main__":
    main()
