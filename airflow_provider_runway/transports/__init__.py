"""The same few steps twice, an ``await`` apart: they send, sleep, log and draw dice, and decide nothing."""
