"""The catalog: every model that is here, filtered, sorted, and what can be done with it."""
