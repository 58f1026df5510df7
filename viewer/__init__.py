"""The web: pages, the tile API, machine APIs, and the command line that starts it all.

`app` puts it together, `api/` has a file per noun, `tiles` is the hot path, `problems` the one table from error
to status, `embedded/` the services for a machine that has none.
"""
