"""Ollama's requests about models: they are pulled by orch's own machinery, and copied, deleted,
created and pushed by the Ollama that has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from orch.errors import RUN_CODES, ModelNotFoundError, OrchError, ProviderError
from orch.execution.pulling import progress_line, pull_lines
from orch.providers import Lists, Manages
from orch.providers.ollama.management import OllamaManagement
from orch.providers.remote_models import is_allowed, is_cloud_name, remote_not_allowed
from orch.server.api.handler import StreamedResponse, json_response, parse_body, service_of
from orch.server.api.ollama import schemas as forms
from orch.server.api.ollama.dialect import ollama_endpoint, ollama_error
from orch.server.api.ollama.targets import PROVIDER_HEADER, OllamaStores, Target
from orch.server.http.disconnect import CancelOnDisconnect

NDJSON = "application/x-ndjson"
OLLAMA_CLOUD = "ollama.com"
"""Where a model of a cloud name runs."""
Progress = AsyncGenerator[dict[str, Any]]


# ---------------------------------------------------------------- pull, create, push


@ollama_endpoint
async def pull(request: Request) -> Response:
    """`POST /api/pull`: downloads a model into an Ollama; ends when the client disconnects."""
    body = await parse_body(request, forms.PullRequest)
    target = (await _stores(request)).new(body.model or body.name)
    _refuse_cloud(request, target)
    providers = service_of(request).orchestrator.runtime.providers
    lines = pull_lines(providers, target.model, target.provider, insecure=body.insecure)
    return await _report(request, lines, body.stream)


@ollama_endpoint
async def create(request: Request) -> Response:
    """`POST /api/create`: makes a model at the Ollama that has its source."""
    body = await parse_body(request, forms.CreateRequest)
    stores, source = await _stores(request), body.source or ""
    target = stores.new(body.model or body.name, source=source)
    source = stores.beside(source, target.provider)
    if body.remote_host or is_cloud_name(source):
        _refuse_cloud(request, target, body.remote_host or OLLAMA_CLOUD)
    fields = body.model_dump(by_alias=True, exclude_unset=True, exclude={"name"})
    fields |= {"model": target.model, **({"from": source} if source else {})}
    return await _report(request, _progress(request, target, "/api/create", fields), body.stream)


@ollama_endpoint
async def push(request: Request) -> Response:
    """`POST /api/push`: uploads a model to its registry, from the Ollama that has it."""
    body = await parse_body(request, forms.PushRequest)
    target = (await _stores(request)).existing(body.model or body.name)
    _refuse_cloud(request, target)
    fields = {**body.model_dump(exclude_unset=True, exclude={"name"}), "model": target.model}
    return await _report(request, _progress(request, target, "/api/push", fields), body.stream)


async def _progress(
    request: Request, target: Target, path: str, fields: dict[str, Any]
) -> Progress:
    """What an Ollama reports of its work. Raises OrchError."""
    try:
        async with aclosing(_management(request, target.provider).progress(path, fields)) as lines:
            async for line in lines:
                yield progress_line(line)
    except ProviderError as failure:
        raise _failure(target, failure) from None


async def _report(request: Request, progress: Progress, stream: bool | None) -> Response:
    """Responds with the progress as it comes, else with its last line; cancelled if the client
    disconnects."""
    async with AsyncExitStack() as stack:
        stack.enter_context(CancelOnDisconnect(request))
        lines = await stack.enter_async_context(aclosing(progress))
        last = await anext(lines, {"status": "success"})
        if stream is not False:
            return StreamedResponse(_written(request, last, lines), {}, NDJSON, stack.pop_all())
        async for line in lines:
            last = line
        service_of(request).invalidate_inventory()
        return json_response(last)
    raise AssertionError("CancelOnDisconnect does not suppress exceptions")


async def _written(
    request: Request, first: dict[str, Any], rest: Progress
) -> AsyncGenerator[bytes]:
    """The lines as bytes; the last is an error if the work failed."""
    yield to_json(first) + b"\n"
    try:
        async for line in rest:
            yield to_json(line) + b"\n"
    except OrchError as error:
        yield to_json(ollama_error(error)) + b"\n"
    finally:
        service_of(request).invalidate_inventory()


# ---------------------------------------------------------------- copy and delete


@ollama_endpoint
async def copy(request: Request) -> Response:
    """`POST /api/copy`: gives a model another name, at the same Ollama."""
    body = await parse_body(request, forms.CopyRequest)
    stores = await _stores(request)
    source = stores.existing(body.source)
    wanted = stores.beside(body.destination, source.provider)
    destination = stores.new(f"{source.provider}/{wanted}").model
    fields = {"source": source.model, "destination": destination}
    return await _stored(request, source, "POST", "/api/copy", fields)


@ollama_endpoint
async def delete(request: Request) -> Response:
    """`DELETE /api/delete`: deletes a model at the Ollama that has it."""
    body = await parse_body(request, forms.DeleteRequest)
    target = (await _stores(request)).existing(body.model or body.name)
    return await _stored(request, target, "DELETE", "/api/delete", {"model": target.model})


async def _stored(
    request: Request, target: Target, method: str, path: str, fields: dict[str, Any]
) -> Response:
    try:
        await _management(request, target.provider).store(method, path, fields)
    except ProviderError as failure:
        raise _failure(target, failure) from None
    finally:
        service_of(request).invalidate_inventory()
    return Response(status_code=200)


# ---------------------------------------------------------------- blobs


@ollama_endpoint
async def has_blob(request: Request) -> Response:
    """`HEAD /api/blobs/{digest}`: whether the Ollama has a file that a model may be made of."""
    provider = (await _stores(request)).only()
    try:
        found = await _management(request, provider).has_blob(request.path_params["digest"])
    except ProviderError as failure:
        raise _failure(Target(provider, ""), failure) from None
    return Response(status_code=200 if found else 404)


@ollama_endpoint
async def upload_blob(request: Request) -> Response:
    """`POST /api/blobs/{digest}`: passes such a file on to the Ollama as it comes."""
    provider = (await _stores(request)).only()
    try:
        with CancelOnDisconnect(request):
            management = _management(request, provider)
            status = await management.upload_blob(request.path_params["digest"], request.stream())
    except ProviderError as failure:
        raise _failure(Target(provider, ""), failure) from None
    return Response(status_code=status)


# ---------------------------------------------------------------- the Ollamas


@ollama_endpoint
async def account(request: Request) -> Response:
    """`POST /api/me`: whose account the Ollama uses, which its own command asks before a push."""
    provider = (await _stores(request)).only()
    try:
        status, body = await _management(request, provider).account()
    except ProviderError as failure:
        raise _failure(Target(provider, ""), failure) from None
    return Response(body, status, media_type="application/json")


async def _stores(request: Request) -> OllamaStores:
    """What the Ollamas of models.yaml have now."""
    backends = service_of(request).orchestrator.runtime.providers
    lists = {name: each for name, each in backends.items() if isinstance(each, Lists)}
    answers = await asyncio.gather(*map(_names, lists.values()))
    answered = dict(zip(lists, answers, strict=True))
    return OllamaStores(
        {name: each for name, each in answered.items() if isinstance(each, list)},
        {name: each for name, each in answered.items() if isinstance(each, str)},
        request.headers.get(PROVIDER_HEADER, ""),
    )


async def _names(backend: Lists) -> list[str] | str:
    """The names of its models, or why it can't be asked."""
    try:
        entries = await backend.list_raw("/api/tags")
    except ProviderError as failure:
        return failure.message
    return [str(entry.get("name") or entry.get("model")) for entry in entries]


def _management(request: Request, provider: str) -> OllamaManagement:
    """Raises ProviderError for a provider of several addresses, of which none is meant."""
    backend = service_of(request).orchestrator.runtime.providers[provider]
    assert isinstance(backend, Manages)
    addresses = [str(each["url"]) for each in backend.addresses()]
    if len(addresses) > 1:
        raise ProviderError(
            "bad_option",
            f"it has several addresses, and none was asked: send this to the one that you mean, of"
            f" {', '.join(addresses)}",
        )
    return backend.management()


def _refuse_cloud(request: Request, target: Target, host: str = "") -> None:
    """Raises OrchError for a model that another machine runs, unless models.yaml allows it."""
    host = host or (OLLAMA_CLOUD if is_cloud_name(target.model) else "")
    models = service_of(request).orchestrator.runtime.config.models
    if host and not is_allowed(models, target.provider, target.model):
        raise remote_not_allowed(target.model, target.provider, host, listed=False)


def _failure(target: Target, failure: ProviderError) -> OrchError:
    """A provider's failure as the client is told of it."""
    if failure.code == "model_not_found" and target.model:
        return ModelNotFoundError(target.model, failure.message)
    return OrchError(
        f"{target.provider}: {failure.message}",
        code=RUN_CODES.get(failure.code, "all_failed"),
        retry_after_s=failure.retry_after_s,
    )
