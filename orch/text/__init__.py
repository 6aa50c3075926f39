"""Pure string work: languages, prompts, redaction, Markdown, terminal output. Opens no file and no
connection."""
