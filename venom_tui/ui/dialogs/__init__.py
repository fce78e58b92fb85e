"""Dialogs: questions and pickers that any screen may open."""
