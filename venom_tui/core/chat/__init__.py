"""Chat: turns, their modes, and what venom-tui answers by itself."""
