"""Widgets: one visible thing each; they know the core's dataclasses and no service."""
