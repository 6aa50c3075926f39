"""Every route of the endpoint, in one table."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from orch.server.api.anthropic import count_tokens as anthropic_count
from orch.server.api.anthropic import messages as anthropic_messages
from orch.server.api.anthropic import models as anthropic_models
from orch.server.api.anthropic import schemas as anthropic_schemas
from orch.server.api.handler import Endpoint, service_of
from orch.server.api.native import history as native_history
from orch.server.api.native import recommendations as native_recommendations
from orch.server.api.native import routes as native
from orch.server.api.native import runs as native_runs
from orch.server.api.native import schemas as native_schemas
from orch.server.api.ollama import generate as ollama_generate
from orch.server.api.ollama import management as ollama_management
from orch.server.api.ollama import models as ollama_models
from orch.server.api.ollama import schemas as ollama_schemas
from orch.server.api.openai import (
    chat,
    completions,
    embeddings,
    responses,
    stored_responses,
)
from orch.server.api.openai import models as openai_models
from orch.server.api.openai import schemas as openai_schemas


class ApiRoute(NamedTuple):
    """One route; its endpoint's docstring is its summary in the API documentation."""

    method: str
    path: str
    endpoint: Endpoint
    body: type[BaseModel] | None = None
    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


async def get_metrics(request: Request) -> Response:
    """`GET /metrics`: metrics in Prometheus' text format."""
    service = service_of(request)
    await service.flush_journal()
    return Response(service.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


_RUN_HEADERS = (
    "x-orch-session",
    "x-orch-priority",
    "x-orch-timeout",
    "x-orch-cache",
    "x-orch-chore",
)
_STORE_HEADERS = ("x-orch-provider",)

ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(
        "POST",
        "/v1/chat/completions",
        chat.chat_completions,
        openai_schemas.ChatCompletionRequest,
        _RUN_HEADERS,
    ),
    ApiRoute(
        "POST",
        "/v1/completions",
        completions.completions,
        openai_schemas.CompletionRequest,
        _RUN_HEADERS,
    ),
    ApiRoute(
        "POST", "/v1/responses", responses.responses, openai_schemas.ResponsesRequest, _RUN_HEADERS
    ),
    ApiRoute("GET", "/v1/responses/{response_id}", stored_responses.get_response),
    ApiRoute("DELETE", "/v1/responses/{response_id}", stored_responses.delete_response),
    ApiRoute(
        "GET",
        "/v1/responses/{response_id}/input_items",
        stored_responses.list_input_items,
        query=("limit", "order", "after"),
    ),
    ApiRoute(
        "POST", "/v1/embeddings", embeddings.create_embeddings, openai_schemas.EmbeddingsRequest
    ),
    ApiRoute(
        "POST",
        "/v1/messages",
        anthropic_messages.create_message,
        anthropic_schemas.MessagesRequest,
        _RUN_HEADERS,
    ),
    ApiRoute(
        "POST",
        "/v1/messages/count_tokens",
        anthropic_count.count_tokens,
        anthropic_schemas.CountTokensRequest,
    ),
    ApiRoute(
        "GET",
        "/v1/models",
        anthropic_models.by_version(openai_models.list_models, anthropic_models.list_models),
    ),
    ApiRoute(
        "GET",
        "/v1/models/{model:path}",
        anthropic_models.by_version(openai_models.get_model, anthropic_models.get_model),
    ),
    ApiRoute("HEAD", "/", ollama_models.head_root),
    ApiRoute("HEAD", "/api/hello", anthropic_models.head_hello),
    ApiRoute("GET", "/", ollama_models.get_root),
    ApiRoute(
        "POST",
        "/api/chat",
        ollama_generate.ollama_chat,
        ollama_schemas.OllamaChatRequest,
        _RUN_HEADERS,
    ),
    ApiRoute(
        "POST",
        "/api/generate",
        ollama_generate.generate,
        ollama_schemas.GenerateRequest,
        _RUN_HEADERS,
    ),
    ApiRoute("POST", "/api/embed", ollama_generate.embed_inputs, ollama_schemas.EmbedRequest),
    ApiRoute(
        "POST",
        "/api/embeddings",
        ollama_generate.embed_prompt,
        ollama_schemas.LegacyEmbeddingsRequest,
    ),
    ApiRoute("GET", "/api/tags", ollama_models.tags),
    ApiRoute("GET", "/api/ps", ollama_models.ps),
    ApiRoute("POST", "/api/show", ollama_models.show_model, ollama_schemas.ShowRequest),
    ApiRoute("GET", "/api/version", ollama_models.get_version),
    *(
        ApiRoute(method, path, endpoint, body, _STORE_HEADERS)
        for method, path, endpoint, body in (
            ("POST", "/api/pull", ollama_management.pull, ollama_schemas.PullRequest),
            ("POST", "/api/copy", ollama_management.copy, ollama_schemas.CopyRequest),
            ("DELETE", "/api/delete", ollama_management.delete, ollama_schemas.DeleteRequest),
            ("POST", "/api/create", ollama_management.create, ollama_schemas.CreateRequest),
            ("POST", "/api/push", ollama_management.push, ollama_schemas.PushRequest),
            ("POST", "/api/me", ollama_management.account, None),
            ("HEAD", "/api/blobs/{digest}", ollama_management.has_blob, None),
            ("POST", "/api/blobs/{digest}", ollama_management.upload_blob, None),
        )
    ),
    ApiRoute(
        "POST", "/orch/run", native_runs.run_task, native_schemas.RunRequest, ("x-orch-priority",)
    ),
    ApiRoute(
        "POST",
        "/orch/route",
        native_runs.route_task,
        native_schemas.TaskRequest,
        ("x-orch-priority",),
    ),
    ApiRoute("GET", "/orch/health", native.get_health),
    ApiRoute("GET", "/orch/stats", native_history.get_stats, query=("since",)),
    ApiRoute("GET", "/orch/models", native.list_all_models),
    ApiRoute(
        "GET",
        "/orch/recommendations",
        native_recommendations.get_recommendations,
        query=("type", "ctx"),
    ),
    ApiRoute("POST", "/orch/models/load", native.post_load_model, native_schemas.LoadRequest),
    ApiRoute("POST", "/orch/models/unload", native.post_unload_model, native_schemas.LoadRequest),
    ApiRoute(
        "POST",
        "/orch/memory/{name}",
        native.perform_memory_operation,
        native_schemas.MemoryArguments,
    ),
    ApiRoute("GET", "/orch/runs", native_history.get_runs, query=("limit", "since")),
    ApiRoute("GET", "/orch/runs/{run_id}", native_history.get_run),
    ApiRoute("POST", "/orch/runs/{run_id}/end", native_runs.end_run, native_schemas.EndRunRequest),
    ApiRoute("POST", "/orch/rate", native_history.rate_answer, native_schemas.RateRequest),
    ApiRoute("GET", "/orch/server", native.get_server),
    ApiRoute("POST", "/orch/page", native.create_page_link),
    ApiRoute("GET", "/metrics", get_metrics),
)
"""Every route of the endpoint."""
