"""Pydantic AI: an agent with a tool, streamed, with its history of messages."""

from common import URL, run, write_file
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

provider = OpenAIProvider(base_url=f"{URL}/v1", api_key="none")
agent = Agent(OpenAIChatModel("auto", provider=provider), tools=[write_file])
history = []


def stream(messages):
    result = agent.run_stream_sync(messages[-1]["content"], message_history=list(history))
    yield from result.stream_text(delta=True)
    history.extend(result.new_messages())


def edit(task):
    agent.run_sync(task)


run(stream, edit)
