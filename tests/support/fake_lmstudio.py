"""A fake of LM Studio 0.4: `/api/v1` with loads, unloads and downloads, in the forms of its REST
documentation, and `/v1/chat/completions`. LM Studio itself did not run."""

from __future__ import annotations

from typing import Any

from tests.support.server_lists import Json, ListServer, _hello

MODELS = "/api/v1/models"
GEMMA, QWEN, EMBEDDER = "google/gemma-3-4b", "qwen/qwen3-8b", "text-embedding-nomic-embed-text-v1.5"


def entry(key: str, **fields: Any) -> Json:
    """A chat model of the list."""
    return {
        **{"type": "llm", "publisher": key.split("/")[0], "key": key, "display_name": key},
        **{"architecture": "qwen3", "quantization": {"name": "Q4_K_M", "bits_per_weight": 4}},
        **{"size_bytes": 4_700_000_000, "params_string": "8B", "loaded_instances": []},
        **{"max_context_length": 40_960, "format": "gguf"},
        "capabilities": {"vision": False, "trained_for_tool_use": True},
        **fields,
    }


class FakeLMStudio(ListServer):
    """A server with two chat models and an embedder. `calls` are its loads and unloads, in order;
    a load of `fails_for`, or of any model, fails with the message `fails`."""

    def __init__(self, **loaded: int) -> None:
        super().__init__({}, self._post)
        self.instances: dict[str, list[Json]] = {}
        for key, context in loaded.items():
            self.add_instance({"gemma": GEMMA, "qwen": QWEN}[key], context)
        self.calls: list[tuple[str, Json]] = []
        self.fails, self.fails_for = "", ""
        self.job: Json = {}
        self._write()

    def add_instance(self, key: str, context: int, name: str = "") -> str:
        """Loads a model once more."""
        own = self.instances.setdefault(key, [])
        name = name or (f"{key}:{len(own) + 1}" if own else key)
        own.append({"id": name, "config": {"context_length": context, "parallel": 4}})
        self._write()
        return name

    def _write(self) -> None:
        def loaded(key: str) -> Json:
            return {"loaded_instances": self.instances.get(key, [])}

        gemma = entry(GEMMA, params_string="4B", max_context_length=131_072, **loaded(GEMMA))
        gemma["capabilities"] = {"vision": True, "trained_for_tool_use": False}
        embedder = {
            **{"type": "embedding", "key": EMBEDDER, "size_bytes": 274_290_560},
            **{"params_string": None, "max_context_length": 2_048, "quantization": None},
            **loaded(EMBEDDER),
        }
        self.answers[MODELS] = {"models": [gemma, entry(QWEN, **loaded(QWEN)), embedder]}

    def _post(self, path: str, body: Json) -> Json | bytes:
        if path == f"{MODELS}/load":
            return self._load(body)
        if path == f"{MODELS}/unload":
            return self._unload(body)
        if path == f"{MODELS}/download":
            return self.job
        return _hello(path, body)

    def _load(self, body: Json) -> Json:
        self.calls.append(("load", body))
        if self.fails and self.fails_for in ("", body["model"]):
            return {"status_code": 500, "error": {"message": self.fails}}
        name = self.add_instance(body["model"], body.get("context_length", 4_096))
        return {"type": "llm", "instance_id": name, "load_time_seconds": 1.5, "status": "loaded"}

    def _unload(self, body: Json) -> Json:
        self.calls.append(("unload", body))
        for own in self.instances.values():
            own[:] = [each for each in own if each["id"] != body["instance_id"]]
        self._write()
        return {"instance_id": body["instance_id"]}
