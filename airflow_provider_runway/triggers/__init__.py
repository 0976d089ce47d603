"""What waits in the triggerer: reading calls only, so that a trigger may run twice at no cost."""
