"""A plan-execute task small enough for exact policy gradients, to hold the estimators against."""
