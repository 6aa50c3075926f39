"""What model servers list, by the path of each request, and a server that answers so.

The forms are written after the servers' sources and documentation of 2026, shortened: vLLM
`ModelCard`, SGLang `ModelCard`, TGI router/src/lib.rs, LM Studio's REST pages, Lemonade
docs/api/openai.md and lemonade.md, LocalAI core/schema/openai.go, TabbyAPI endpoints/core/types,
mlx_lm/server.py, oMLX engine_pool.py, KoboldCpp's and Ollama's `/v1`, OpenRouter's list. None of
those servers ran.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Json = dict[str, Any]
Answers = Mapping[str, Any]
"""By path: the answer, or its status alone for an error."""
CREATED = 1_764_000_000


def models(*entries: Json, **shared: Any) -> Json:
    """A list of `/v1/models`."""
    return {"object": "list", "data": [{"object": "model", **shared, **each} for each in entries]}


_VLLM = {"created": CREATED, "owned_by": "vllm", "parent": None}
_LEMONADE = {"created": CREATED, "owned_by": "lemonade", "recipe": "llamacpp", "downloaded": True}
FORMS: Mapping[str, Answers] = {
    "vllm": {
        "/v1/models": models(
            {"id": "org/big-70b", "root": "/models/big", "max_model_len": 32_768, **_VLLM},
            {"id": "sql-lora", "root": "/loras/sql", **_VLLM, "parent": "org/big-70b"},
        )
    },
    "sglang": {
        "/v1/models": models(
            {"id": "org/small-8b", "owned_by": "sglang", "max_model_len": 16_384, "parent": None}
        )
    },
    "tgi": {
        "/v1/models": models({"id": "org/m-7b", "created": 0, "owned_by": "org/m-7b"}),
        "/info": {"model_id": "org/m-7b", "max_total_tokens": 4_096, "max_input_tokens": 4_095},
    },
    "lmstudio": {
        "/v1/models": models(
            {"id": "qwen2-vl-7b-instruct"},
            {"id": "llama-3.1-8b-instruct"},
            {"id": "text-embedding-nomic-embed-text-v1.5"},
            owned_by="organization_owner",
        ),
        "/api/v0/models": models(
            {
                **{"id": "qwen2-vl-7b-instruct", "type": "vlm", "arch": "qwen2_vl"},
                **{"quantization": "4bit", "state": "not-loaded", "max_context_length": 32_768},
            },
            {
                **{"id": "llama-3.1-8b-instruct", "type": "llm", "arch": "llama"},
                **{"quantization": "Q4_K_M", "state": "loaded", "max_context_length": 131_072},
                **{"loaded_context_length": 8_192, "capabilities": ["tool_use"]},
            },
            {
                **{"id": "text-embedding-nomic-embed-text-v1.5", "type": "embeddings"},
                **{"state": "not-loaded", "max_context_length": 2_048},
            },
        ),
    },
    "lemonade": {
        "/v1/models": models(
            {
                **{"id": "Qwen3-0.6B-GGUF", "size": 0.38, "labels": ["chat", "reasoning"]},
                **{"max_context_window": 40_960, "context_length": 8_192},
            },
            {"id": "Gemma-3-4b-it-GGUF", "size": 3.61, "labels": ["chat", "hot", "vision"]},
            {"id": "SD-Turbo", "recipe": "sd-cpp", "size": 5.2, "labels": ["image"]},
            {"id": "fireworks.kimi-k2", "recipe": "cloud", "cloud_provider": "fireworks"},
            **{key: value for key, value in _LEMONADE.items() if key != "recipe"},
        ),
        "/v1/health": {
            "status": "ok",
            "version": "9.3.3",
            "all_models_loaded": [
                {
                    **{"model_name": "Gemma-3-4b-it-GGUF", "type": "llm", "device": "gpu"},
                    "recipe_options": {"ctx_size": 4_096},
                }
            ],
        },
    },
    "localai": {
        "/v1/models": models({"id": "talks"}, {"id": "speaks"}, {"id": "unset"}),
        "/v1/models/capabilities": models(
            {
                **{"id": "talks", "capabilities": ["chat", "completion", "vision", "tools"]},
                **{"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            },
            {
                **{"id": "speaks", "capabilities": ["tts"]},
                **{"input_modalities": ["text"], "output_modalities": ["audio"]},
            },
            {"id": "unset", "capabilities": None},
        ),
    },
    "tabby": {
        "/v1/models": models({"id": "here-8b"}, {"id": "there-8b"}, owned_by="tabbyAPI"),
        "/v1/model": {
            **{"id": "here-8b", "object": "model", "owned_by": "tabbyAPI"},
            "parameters": {"max_seq_len": 16_384, "max_batch_size": 4, "use_vision": False},
        },
    },
    "koboldcpp": {
        "/v1/models": models({"id": "koboldcpp/Qwen3-8B-Q4_K_M"}, owned_by="koboldcpp"),
        "/api/extra/true_max_context_length": {"value": 8_192},
    },
    "mlx": {
        "/v1/models": models({"id": "mlx-community/Qwen3-30B-A3B-4bit"}, created=CREATED),
    },
    "omlx": {
        "/v1/models": models({"id": "chat-8b"}, {"id": "bge-m3"}, owned_by="omlx"),
        "/v1/models/status": {
            "model_count": 2,
            "loaded_count": 1,
            "models": [
                {
                    **{"id": "chat-8b", "loaded": True, "is_loading": False, "model_type": "llm"},
                    **{"estimated_size": 4_600_000_000, "actual_size": 5_100_000_000},
                    "max_context_window": 32_768,
                },
                {
                    **{"id": "bge-m3", "loaded": False, "is_loading": True},
                    **{"estimated_size": 600_000_000, "model_type": "embedding"},
                },
            ],
        },
    },
    "ollama": {
        "/v1/models": models(
            {"id": "qwen3:8b"}, {"id": "gemma3:4b"}, {"id": "mine:120b"}, owned_by="library"
        ),
        "/api/tags": {
            "models": [
                {
                    **{"name": "qwen3:8b", "size": 5_200_000_000, "digest": "a" * 64},
                    "details": {"parameter_size": "8.2B", "context_length": 40_960},
                    "capabilities": ["completion", "tools", "thinking"],
                },
                {"name": "gemma3:4b", "size": 3_300_000_000, "details": {"parameter_size": "4.3B"}},
                {
                    **{"name": "mine:120b", "size": 384, "remote_model": "gpt-oss:120b"},
                    "remote_host": "https://ollama.com:443",
                },
            ]
        },
        "/api/ps": {
            "models": [{"name": "qwen3:8b", "size": 6_000_000_000, "context_length": 4_096}]
        },
    },
    "llamacpp": {
        "/v1/models": models(
            {
                **{"id": "small-8b", "owned_by": "llamacpp"},
                "meta": {
                    **{"n_ctx_train": 131_072, "n_params": 8_030_261_312, "size": 4_912_898_048},
                    **{"vocab_type": 2, "n_embd": 4_096},
                },
            }
        ),
    },
    "openrouter": {
        "/v1/models": models(
            {
                "id": "maker/model-9b",
                "context_length": 131_072,
                "architecture": {
                    **{"modality": "text+image->text", "input_modalities": ["text", "image"]},
                    "output_modalities": ["text"],
                },
                "pricing": {"prompt": "0.00000001", "completion": "0.00000002"},
                "top_provider": {"context_length": 65_536, "max_completion_tokens": None},
                "supported_parameters": ["max_tokens", "reasoning", "temperature"],
            }
        ),
    },
}


class ListServer:
    """A server on loopback that answers GET requests by a table; `asked` are their paths. Chats,
    and other posts, get what `post` returns for path and body."""

    def __init__(
        self, answers: Answers, post: Callable[[str, Json], Json | bytes] | None = None
    ) -> None:
        self.answers, self.post = dict(answers), post or _hello
        self.asked: list[str] = []
        self.posted: list[tuple[str, Json]] = []
        self.url = ""

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner.asked.append(self.path)
                answer = owner.answers.get(self.path, 404)
                if isinstance(answer, int):
                    self._send(answer, json.dumps({"error": {"message": "no"}}).encode())
                else:
                    self._send(200, answer if isinstance(answer, bytes) else _bytes(answer))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                owner.posted.append((self.path, body))
                answer = owner.post(self.path, body)
                if isinstance(answer, bytes):
                    return self._send(200, answer, "text/event-stream")
                status = answer.pop("status_code", 200)
                return self._send(status, _bytes(answer))

            def _send(self, status: int, data: bytes, kind: str = "application/json") -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Writes nothing."""

        return Handler


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def _hello(path: str, body: Json) -> Json | bytes:
    """A whole streamed answer; 404 at other paths."""
    if not path.endswith("/chat/completions"):
        return {"status_code": 404, "error": {"message": f"no {path}"}}
    return (
        b"".join(
            b"data: "
            + _bytes({"choices": [{"index": 0, "delta": delta, "finish_reason": end}]})
            + b"\n\n"
            for delta, end in (({"content": "Hello"}, None), ({}, "stop"))
        )
        + b"data: [DONE]\n\n"
    )
