"""Pulls: from a name to an operation that fetches a model, with what it will cost told before."""
