"""Loads, switches, evictions, limits."""
