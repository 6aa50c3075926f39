"""Decides whether one answer would serve two short tasks, in English or Spanish. Pure; knows
neither the cache nor the embedder.

Everything is a difference unless a table says otherwise: a task is parsed into a kind of question,
a tense and a sequence of concepts, and two tasks are equivalent only if all of these are equal. An
unknown word must occur in both. Precision counts: no suggestion is better than a wrong one.
"""
