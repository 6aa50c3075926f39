"""LiteLLM as a library, by OpenAI's or by Ollama's API: streamed, and a tool."""

import json
import sys

import litellm
from common import FUNCTION, MOST_STEPS, URL, run, write_file

SETTINGS = {
    "openai": {"model": "openai/auto", "api_base": f"{URL}/v1", "api_key": "none"},
    "ollama": {"model": "ollama_chat/auto", "api_base": URL},
}[sys.argv[3]]


def stream(messages):
    for chunk in litellm.completion(messages=messages, stream=True, **SETTINGS):
        yield chunk.choices[0].delta.content or ""


def edit(task):
    messages = [{"role": "user", "content": task}]
    tools = [{"type": "function", "function": FUNCTION}]
    for _ in range(MOST_STEPS):
        answer = litellm.completion(messages=messages, tools=tools, **SETTINGS)
        message = answer.choices[0].message
        if not message.tool_calls:
            return
        messages.append(message)
        for call in message.tool_calls:
            result = write_file(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


run(stream, edit)
