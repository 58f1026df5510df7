"""Who looked at what: the entries and their chain, searching them, and the reviews and extracts made of them.

`cases.access.audit` writes the log; everything else about it is here.
"""
