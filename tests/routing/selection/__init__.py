"""Tests of the order of the candidates: last resorts, a named model, what is loaded."""
