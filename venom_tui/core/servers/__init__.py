"""Servers that this machine starts and stops: units of systemd, commands, and vLLMs by profile. Light to import."""
