"""OpenAI's library: `parse`, whose answer is an object of a class, by both of its APIs."""

import openai
from common import URL, run, write_file
from pydantic import BaseModel

client = openai.OpenAI(base_url=f"{URL}/v1", api_key="none")


class File(BaseModel):
    path: str
    content: str


def stream(messages):
    with client.chat.completions.stream(model="auto", messages=messages) as events:
        for event in events:
            if event.type == "content.delta":
                yield event.delta


def edit(task):
    answer = client.responses.parse(model="auto", input=task, text_format=File)
    assert answer.output_parsed is not None
    messages = [{"role": "user", "content": task}]
    answer = client.chat.completions.parse(model="auto", messages=messages, response_format=File)
    file = answer.choices[0].message.parsed
    write_file(file.path, file.content)


run(stream, edit)
