"""Work orders: sections, stains, glass and facts that a reader needs, ordered of the owner's or their own laboratory.

order.py       the row and its machine
placing.py     a reader orders; glass is expected from then on
fulfilling.py  the laboratory takes it on and does it, or not
loans.py       glass and tissue blocks that travel
"""

from cases.sharing.work_orders.fulfilling import (
    accept,
    cancel,
    cancel_open,
    fulfil,
    has_blocking,
    has_open,
    reject,
    start,
)
from cases.sharing.work_orders.loans import receive, send, take_back
from cases.sharing.work_orders.moving import find_order
from cases.sharing.work_orders.order import (
    LOANS,
    MOVES,
    OPEN,
    DoneBy,
    RejectReason,
    TargetKind,
    WorkKind,
    WorkOrder,
    WorkOrderResult,
    WorkOrderStatus,
)
from cases.sharing.work_orders.placing import Order, place

__all__ = [
    "LOANS",
    "MOVES",
    "OPEN",
    "DoneBy",
    "Order",
    "RejectReason",
    "TargetKind",
    "WorkKind",
    "WorkOrder",
    "WorkOrderResult",
    "WorkOrderStatus",
    "accept",
    "cancel",
    "cancel_open",
    "find_order",
    "fulfil",
    "has_blocking",
    "has_open",
    "place",
    "receive",
    "reject",
    "send",
    "start",
    "take_back",
]
