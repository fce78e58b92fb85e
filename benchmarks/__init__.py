"""Timings and loads: each runnable alone, each printing its figures."""
