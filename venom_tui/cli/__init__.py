"""The command line: one module per noun, over the same core as the TUI.

Imports at the top of these modules stay light (click, types, errors): `--version` and the TUI pay for each of them.
"""
