"""OpenAI's library: responses, streamed, and a tool."""

import json

import openai
from common import FUNCTION, MOST_STEPS, URL, run, write_file

client = openai.OpenAI(base_url=f"{URL}/v1", api_key="none")


def stream(messages):
    for event in client.responses.create(model="auto", input=messages, stream=True):
        if event.type == "response.output_text.delta":
            yield event.delta
        if event.type == "response.failed":
            raise SystemExit(event.response.error.message)


def edit(task):
    items = [{"role": "user", "content": task}]
    tools = [{"type": "function", **FUNCTION}]
    for _ in range(MOST_STEPS):
        answer = client.responses.create(model="auto", input=items, tools=tools)
        calls = [item for item in answer.output if item.type == "function_call"]
        if not calls:
            return
        items += answer.output
        for call in calls:
            output = write_file(**json.loads(call.arguments))
            items.append(
                {"type": "function_call_output", "call_id": call.call_id, "output": output}
            )


run(stream, edit)
