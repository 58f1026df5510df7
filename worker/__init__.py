"""What happens later: where a row and a file are brought together.

`preparation` does the work on one slide, `sweeping` finds what was lost, `app` is the Celery application whose
messages only say "look at this row now", `storage` says where the files of a slide lie.
"""
