"""Screens: one section each; they call the core and lay out widgets."""
