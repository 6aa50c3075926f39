"""Tests of orch."""
