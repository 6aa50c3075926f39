"""What the servers hold of earlier prompts: how much of a prompt must be read anew, and in which
slot it is read."""
