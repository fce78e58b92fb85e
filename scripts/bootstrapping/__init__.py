"""The steps of the set-up; Python 3.11 and its standard library only."""
