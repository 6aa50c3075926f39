"""What the views share: page frame, tables, Markdown, translations."""
