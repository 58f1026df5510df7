"""Answers: what a performer says about a case, in versions of which none is ever lost.

answer.py           the rows and their machine           content.py     what a version says, its hash
drafts.py           every save is a version              register.py    finding answers and versions
reading.py          who may read and write, the log      moving.py      locks, the table of moves
guards.py           what signing asks for                limitations.py what was looked at, found out
signing.py          preliminary and final                signatures.py  what exactly is signed
countersigning.py   a second person                      releasing.py   what the owner gets, and when
amending.py         changing what was signed             acknowledging.py the owner takes it over
reconciliations.py  what comes of a discrepancy          oral_reports.py what was said by word of mouth
rules.py            what a care provider asks of answers
"""

from cases.sharing.answers.answer import MOVES

__all__ = ["MOVES"]
