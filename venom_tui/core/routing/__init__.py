"""Routing: the one place where a request to a model leaves."""
