"""The tools as a server of the official SDK (`mcp`): lists them, calls them, reports progress, and
tells errors as results that a model can read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from orch.config.version import VERSION
from orch.errors import OrchError
from orch.mcp.backend import OWNER_TOOLS, Backend
from orch.mcp.schemas import INSTRUCTIONS, TOOLS, ToolSpec
from orch.mcp.tools import call_tool, error_text

MAX_MESSAGE_BYTES = 4 * 2**20
"""Of one message from a client: as the SDK's own limit of a body."""
Context = ServerRequestContext[Any, Any]
BackendOf = Callable[[Any], Backend]
"""Finds the backend of an HTTP request; of None where the messages came without one."""


def create_server(backend_of: BackendOf, log_fault: Callable[[Exception], None]) -> Server[Any]:
    """A server of the tools, for either transport; `log_fault` is told of faults of orch's own."""
    # what it logs of a message that it does not understand may hold a prompt
    logging.getLogger("mcp").setLevel(logging.CRITICAL)

    async def list_tools(ctx: Context, params: Any) -> types.ListToolsResult:
        is_owner = backend_of(ctx.request).is_owner
        named = (
            (name, spec) for name, spec in TOOLS.items() if is_owner or name not in OWNER_TOOLS
        )
        return types.ListToolsResult(tools=[_tool(name, spec) for name, spec in named])

    async def on_call(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        if params.name not in TOOLS:
            names = ", ".join(TOOLS)
            raise MCPError(
                types.INVALID_PARAMS, f"there is no tool {params.name[:100]!r}; there are {names}"
            )

        async def report(done: int, message: str) -> None:
            await ctx.session.report_progress(float(done), None, message)

        try:
            backend = backend_of(ctx.request)
            watched = report if (ctx.meta or {}).get("progress_token") is not None else None
            result = await call_tool(params.name, params.arguments or {}, backend, watched)
        except OrchError as error:
            return _failed(error_text(error))
        except Exception as error:
            log_fault(error)
            return _failed("orch failed at this call\nTry: orch health shows what is wrong")
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=result.text)],
            structured_content=result.values,
        )

    return Server(
        "orch",
        version=VERSION,
        title="orch",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=on_call,
    )


def _tool(name: str, spec: ToolSpec) -> types.Tool:
    return types.Tool(
        name=name,
        title=spec.title,
        description=spec.description,
        input_schema=spec.takes,
        output_schema=spec.gives,
        annotations=types.ToolAnnotations(
            title=spec.title,
            read_only_hint=spec.read_only,
            destructive_hint=False,
            idempotent_hint=spec.idempotent,
            open_world_hint=False,
        ),
    )


def _failed(text: str) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=text)]
    return types.CallToolResult(content=content, is_error=True)
