"""What scripts/gpu_check.py is made of: Python and pynvml are enough for it."""
