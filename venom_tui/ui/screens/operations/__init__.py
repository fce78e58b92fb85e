"""The operations section."""
