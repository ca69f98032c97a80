"""WebShop, text mode."""
