"""The model's accounts, as a table: units times minutes of its clock, by form of proof and scope."""

from __future__ import annotations

#: By name: the fields of an account.
Accounts = dict[str, dict[str, int]]

TITLE = "the model, in units x minutes"


def table_of(accounts: Accounts) -> str:
    """Return the accounts as a text table; the last column is what was withheld beside perfect evidence."""
    fields = list(next(iter(accounts.values())))
    width = max(map(len, [TITLE, *accounts]))
    lines = [f"{TITLE:<{width}} " + " ".join(f"{field:>13}" for field in [*fields, "of bound"])]
    for name, account in sorted(accounts.items()):
        of_bound = f"{account['compared'] / account['bound']:.3f}" if account["bound"] else ""
        numbers = " ".join(f"{account[field]:>13,}" for field in fields)
        lines.append(f"{name:<{width}} {numbers} {of_bound:>13}")
    return "\n".join(lines)
