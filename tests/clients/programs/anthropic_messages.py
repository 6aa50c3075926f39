"""Anthropic's library: messages, streamed, and a tool."""

import anthropic
from common import MOST_STEPS, SCHEMA, URL, run, write_file

client = anthropic.Anthropic(base_url=URL, api_key="none")
TOOL = {"name": "write_file", "description": "Writes a file", "input_schema": SCHEMA}


def stream(messages):
    with client.messages.stream(model="auto", max_tokens=4096, messages=messages) as answer:
        yield from answer.text_stream


def edit(task):
    messages = [{"role": "user", "content": task}]
    for _ in range(MOST_STEPS):
        answer = client.messages.create(
            model="auto", max_tokens=4096, messages=messages, tools=[TOOL]
        )
        calls = [block for block in answer.content if block.type == "tool_use"]
        if not calls:
            return
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": write_file(**call.input)}
            for call in calls
        ]
        messages += [
            {"role": "assistant", "content": answer.content},
            {"role": "user", "content": results},
        ]


run(stream, edit)
