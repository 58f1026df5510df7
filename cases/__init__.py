"""The rules: what is allowed, and what happened. A tour.

`access` knows people and their sessions, and later organisations, agreements, the gate and the log; it has no
word of pathology. `records` has what is shared: slide images and who is looking at one. Above them come
`sharing` (requests, answers) and `insight` (lead times, settlement).

Models are the domain: typed rows, and beside them plain functions that change them. Nothing here commits;
the edge (a request, a task, a command) does. `database` makes engines and sessions, `migrate` the schema.
"""
