"""A language model of about a million parameters, taught from scratch to play generated ALFWorld games."""
