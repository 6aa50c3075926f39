"""The HTTP APIs: OpenAI's, Ollama's and orch's own, over one request handler."""
