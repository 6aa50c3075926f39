"""Open WebUI: its server in front of orch, asked by its own API as its page does; a tool of its own
writes the file."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import httpx
from common import run

START_S = 200
TOOL = '''
class Tools:
    def write_file(self, path: str, content: str) -> str:
        """
        Writes a file.
        :param path: The name of the file.
        :param content: What it holds.
        """
        open(path, "w").write(content)
        return "written"
'''


last = {"id": None}
"""The chat, once there is one, and its last message."""


def end_with_its_parent():
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def start(folder):
    """The server, in a session of its own: an interrupt is for who reads the answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).parent / "open-webui"
    own = {"DATA_DIR": folder, "OFFLINE_MODE": "true", "WEBUI_SECRET_KEY": uuid.uuid4().hex * 2}
    # or it would load a model of its own for documents
    documents = {"RAG_EMBEDDING_ENGINE": "ollama", "RAG_EMBEDDING_MODEL": "auto"}
    with (Path(folder) / "log").open("w") as log:
        server = subprocess.Popen(
            [program, "serve", "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, **own, **documents},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=end_with_its_parent,
        )
    return server, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False)


def sign_up(client):
    """Waits for the server and makes its first account."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            client.get("/health").raise_for_status()
            break
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
    person = {"name": "a", "email": "a@example.com", "password": uuid.uuid4().hex}
    token = checked(client.post("/api/v1/auths/signup", json=person))["token"]
    client.headers["Authorization"] = f"Bearer {token}"
    assert "auto" in [model["id"] for model in checked(client.get("/api/models"))["data"]]


def checked(answer):
    """An answer's JSON, or the end of the program with what it says."""
    if answer.is_error:
        sys.exit(answer.text)
    return answer.json()


def stream(messages):
    yield ask(messages)


def edit(task):
    tool = {"id": "files", "name": "Files", "content": TOOL, "meta": {"description": "Files"}}
    checked(client.post("/api/v1/tools/create", json=tool))
    ask([{"role": "user", "content": task}], tool_ids=["files"])


def ask(messages, **more):
    """The answer to the next turn of the chat, which Open WebUI asks for and stores in the
    background, as for its page; an interrupt is the page's button."""
    question, answer = str(uuid.uuid4()), str(uuid.uuid4())
    said = {**messages[-1], "id": question, "childrenIds": [answer], "parentId": last["id"]}
    if "chat" not in last:
        empty = {"title": "New", "models": ["auto"], "messages": [], "history": {"messages": {}}}
        last["chat"] = checked(client.post("/api/v1/chats/new", json={"chat": empty}))["id"]
    asked = {
        "model": "auto",
        "stream": True,
        "chat_id": last["chat"],
        "session_id": uuid.uuid4().hex,
        "id": answer,
        "parent_id": question,
        "user_message": {**said, "models": ["auto"]},
        "messages": messages,
        "params": {"function_calling": "native"},
        **more,
    }
    tasks = checked(client.post("/api/chat/completions", json=asked))["task_ids"]
    last["id"] = answer
    try:
        return finished(last["chat"], answer)
    except KeyboardInterrupt:
        for task in tasks:
            print(client.post(f"/api/tasks/stop/{task}").text, file=sys.stderr)
        raise


def finished(chat, answer):
    """The text of a stored answer once it is done, or the end of the program with its error."""
    while True:
        stored = checked(client.get(f"/api/v1/chats/{chat}"))["chat"]["history"]["messages"]
        message = stored.get(answer, {})
        if message.get("error"):
            sys.exit(json.dumps(message["error"]))
        if message.get("done"):
            return message["content"]
        time.sleep(0.2)


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    server, client = start(folder)
    try:
        sign_up(client)
        run(stream, edit)
    finally:
        client.close()
        server.terminate()
        server.wait()
