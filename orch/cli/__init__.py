"""The command line: parses, opens the runtime, calls, hands the value to `render`; one file a
noun."""
