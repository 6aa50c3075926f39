"""The subcommands of `orch`, one file each and a folder for a large one; options and output are
shared in `orch.cli`."""
