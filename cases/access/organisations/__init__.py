"""Care providers, their care units and departments. Regions and private providers are the same in every respect."""

from cases.access.organisations.care_provider import (
    LONGEST_KEPT,
    MOVES,
    CareProvider,
    ImageRelease,
    ProviderKind,
    ProviderStatus,
    RegionCode,
    find_provider,
    list_providers,
    move_provider,
    register_provider,
)
from cases.access.organisations.care_unit import (
    CareUnit,
    Department,
    close,
    find_department,
    find_unit,
    list_parts,
    open_department,
    open_unit,
)
from cases.access.organisations.changing import change
from cases.access.organisations.identity import HSA_ID, parse_hsa_id, parse_org_number

__all__ = [
    "HSA_ID",
    "LONGEST_KEPT",
    "MOVES",
    "CareProvider",
    "CareUnit",
    "Department",
    "ImageRelease",
    "ProviderKind",
    "ProviderStatus",
    "RegionCode",
    "change",
    "close",
    "find_department",
    "find_provider",
    "find_unit",
    "list_parts",
    "list_providers",
    "move_provider",
    "open_department",
    "open_unit",
    "parse_hsa_id",
    "parse_org_number",
    "register_provider",
]
