"""What venom-tui keeps: one SQLite file, read and written here and nowhere else."""
