"""The endpoint: OpenAI's and Ollama's APIs and orch's own over one runtime."""
