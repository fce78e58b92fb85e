"""What is in memory: plans of loads and switches, their doing, who leaves for whom, and the limits while all runs."""
