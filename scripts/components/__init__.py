"""The large or unusual components of the tests with real servers: one module each, and the locks."""
