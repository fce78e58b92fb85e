"""What a model will cost in memory, and whether that fits: pure functions over what is known of it."""
