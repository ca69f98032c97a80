"""Compares how well the nano model learns with each estimator from the same number of episodes."""
