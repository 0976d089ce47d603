"""The HTTP clients. Both drive the same exchanges, one blocking and one with ``await``; they decide nothing."""
