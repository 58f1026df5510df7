"""The HTTP API: a file per noun, endpoints and their schemas together."""
