"""What the model lists of servers with OpenAI's API tell: each field that one of them has, as an
InstalledModel."""
