"""venom-tui: see, switch and talk to the models on a GPU box, over SSH."""

__version__ = "0.1.0"
