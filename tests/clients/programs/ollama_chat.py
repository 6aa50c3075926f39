"""Ollama's library: chat, streamed, and a tool made of a function."""

import ollama
from common import MOST_STEPS, URL, run, write_file

client = ollama.Client(host=URL)


def stream(messages):
    for part in client.chat(model="auto", messages=messages, stream=True):
        yield part.message.content or ""


def edit(task):
    messages = [{"role": "user", "content": task}]
    for _ in range(MOST_STEPS):
        message = client.chat(model="auto", messages=messages, tools=[write_file]).message
        if not message.tool_calls:
            return
        messages.append(message)
        for call in message.tool_calls:
            result = write_file(**call.function.arguments)
            messages.append({"role": "tool", "tool_name": call.function.name, "content": result})


run(stream, edit)
