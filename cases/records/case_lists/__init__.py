"""Lists of cases from laboratory systems (CSV), so that nothing is typed twice: planned row by row, taken in whole."""

from cases.records.case_lists.columns import Column, check_columns
from cases.records.case_lists.entries import Fault
from cases.records.case_lists.planning import NOTES, Note, Outcome, Plan, Planned, plan
from cases.records.case_lists.taking_in import take_in

__all__ = ["NOTES", "Column", "Fault", "Note", "Outcome", "Plan", "Planned", "check_columns", "plan", "take_in"]
