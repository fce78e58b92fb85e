"""Clients of the servers that hold models: one pooled HTTP client, one decoder for each wire."""
