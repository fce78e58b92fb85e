"""Clients of the servers that hold models: one pooled HTTP client, one decoder for each wire."""

import sys

# httpx brings its own command line along, and with it click, rich and pygments (3 MB), unless that cannot be imported.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # None is how one says so
