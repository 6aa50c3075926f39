"""Tells whether two short tasks, in English or Spanish, would be served by one answer (pure; knows
neither the cache nor the embedder).

Everything is a difference until a table says that it is not: a task is read as a kind of question,
a tense and a row of concepts, and two tasks share
an answer only if all of that is equal. A word that no table knows must stand in both. Precision is
what counts: no suggestion is a good suggestion.
"""
