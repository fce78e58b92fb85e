"""The runtimes section."""
