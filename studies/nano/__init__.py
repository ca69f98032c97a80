"""A language model of about a million parameters, trained from scratch to play generated ALFWorld games."""
