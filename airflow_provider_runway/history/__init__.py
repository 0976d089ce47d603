"""The account's request history: which rows to ask for, how they are read, and what they say of a job."""
