"""The free check of an account: what its GETs tell about the key, the clock and the request history."""
