"""Models: what is here, what is active, and how each is asked to generate."""
