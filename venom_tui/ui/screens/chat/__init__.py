"""The chat section."""
