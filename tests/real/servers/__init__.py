"""Real servers for tests: each started on a free loopback port with a home of its own, and ended whatever happens."""
