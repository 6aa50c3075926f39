"""OpenAI's library: chat completions, streamed, and a tool."""

import json

import openai
from common import FUNCTION, MOST_STEPS, URL, run, write_file

client = openai.OpenAI(base_url=f"{URL}/v1", api_key="none")


def stream(messages):
    for chunk in client.chat.completions.create(model="auto", messages=messages, stream=True):
        yield (chunk.choices and chunk.choices[0].delta.content) or ""


def edit(task):
    messages = [{"role": "user", "content": task}]
    tools = [{"type": "function", "function": FUNCTION}]
    for _ in range(MOST_STEPS):
        answer = client.chat.completions.create(model="auto", messages=messages, tools=tools)
        message = answer.choices[0].message
        if not message.tool_calls:
            return
        messages.append(message)
        for call in message.tool_calls:
            result = write_file(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


run(stream, edit)
