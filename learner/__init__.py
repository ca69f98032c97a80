"""The learner: advantages, updates of the two adapters, and their publication."""
