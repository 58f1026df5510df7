"""What travels between care providers, and who may see it: viewings now, requests and answers later."""
