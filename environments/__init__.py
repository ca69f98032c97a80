"""Text environments that run in the calling process: ALFWorld, WebShop, and any other in the registry."""
