"""LangChain's chat models by OpenAI's and by Ollama's API: streamed, and an agent with a tool."""

import sys

from common import URL, run, write_file
from langchain.agents import create_agent

if sys.argv[3] == "openai":
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model="auto", base_url=f"{URL}/v1", api_key="none")
else:
    from langchain_ollama import ChatOllama

    model = ChatOllama(model="auto", base_url=URL)


def stream(messages):
    for chunk in model.stream(messages):
        yield chunk.text


def edit(task):
    agent = create_agent(model, tools=[write_file])
    agent.invoke({"messages": [{"role": "user", "content": task}]})


run(stream, edit)
