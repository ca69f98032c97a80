"""Text environments in one process: ALFWorld, WebShop, and whatever the registry is given."""
