"""What jobs will cost, and whether they may: estimates, limits and the account's spend, as values.

Amounts are USD as floats. Nothing here asks the API, knows the time or logs: ``operators`` does that.
"""
