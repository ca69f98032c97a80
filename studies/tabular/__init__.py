"""A small plan-execute task whose exact policy gradients the estimators are compared with."""
