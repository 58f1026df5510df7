"""Answers: what a performer says about a case: drafts, signatures, amendments, acknowledgement, reconciliation."""
