"""The suite of graded tasks: its form, its graders, and the sandbox for code that models wrote."""
