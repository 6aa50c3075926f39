"""smolagents: a model by OpenAI's API, streamed, and an agent that calls a tool."""

from common import URL, run, write_file
from smolagents import ChatMessage, OpenAIServerModel, ToolCallingAgent, tool

model = OpenAIServerModel(model_id="auto", api_base=f"{URL}/v1", api_key="none")


def stream(messages):
    said = [
        ChatMessage(role=each["role"], content=[{"type": "text", "text": each["content"]}])
        for each in messages
    ]
    for delta in model.generate_stream(said):
        yield delta.content or ""


def edit(task):
    ToolCallingAgent(tools=[tool(write_file)], model=model, max_steps=2).run(task)


run(stream, edit)
