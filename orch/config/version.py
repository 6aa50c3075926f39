"""The version: the build reads it here, and importing it costs nothing."""

VERSION = "0.1.0"
