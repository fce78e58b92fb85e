"""Runtimes: what holds models and answers; the embedded llama.cpp is ours, the others are somebody else's."""
