"""What the Makefile runs: set-up, the lock, and the components of the tests that need something large."""
