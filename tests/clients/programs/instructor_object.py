"""Instructor: an object of a class, which the model gives as the arguments of a tool; without a
class, text."""

import instructor
import openai
from common import URL, run, write_file
from pydantic import BaseModel

client = instructor.from_openai(openai.OpenAI(base_url=f"{URL}/v1", api_key="none"))


class File(BaseModel):
    path: str
    content: str


def stream(messages):
    answer = client.chat.completions.create(
        model="auto", messages=messages, response_model=None, stream=True
    )
    for chunk in answer:
        yield (chunk.choices and chunk.choices[0].delta.content) or ""


def edit(task):
    messages = [{"role": "user", "content": task}]
    file = client.chat.completions.create(model="auto", messages=messages, response_model=File)
    write_file(file.path, file.content)


run(stream, edit)
