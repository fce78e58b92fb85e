"""The guard section."""
