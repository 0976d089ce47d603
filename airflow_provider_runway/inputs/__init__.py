"""From an operator's arguments to one checked ``JobRequest``."""
