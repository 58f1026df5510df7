"""Who holds which role, on which analysis, and what a head has delegated."""

from cases.access.grants.delegation import (
    Delegation,
    delegate,
    delegated,
    end_delegation,
    find_delegation,
    list_delegations,
)
from cases.access.grants.register import register_analysis
from cases.access.grants.risk_analysis import RiskAnalysis, find_analysis, list_analyses
from cases.access.grants.role_grant import (
    RoleGrant,
    approve_grant,
    end_grant,
    find_grant,
    grant_role,
    list_grants,
    roles_of,
)

__all__ = [
    "Delegation",
    "RiskAnalysis",
    "RoleGrant",
    "approve_grant",
    "delegate",
    "delegated",
    "end_delegation",
    "end_grant",
    "find_analysis",
    "find_delegation",
    "find_grant",
    "grant_role",
    "list_analyses",
    "list_delegations",
    "list_grants",
    "register_analysis",
    "roles_of",
]
