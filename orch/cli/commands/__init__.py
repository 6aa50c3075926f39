"""The subcommands of `orch`: one file each, or a folder for a large one."""
