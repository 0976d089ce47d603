"""Downloads and stores the outputs of a finished job."""
