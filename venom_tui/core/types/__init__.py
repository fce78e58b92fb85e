"""The frozen dataclasses that travel between the core and its front ends: plain data, one module per noun."""
