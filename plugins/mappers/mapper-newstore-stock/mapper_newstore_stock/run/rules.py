"""The user's settings that decide what goes out."""

from __future__ import annotations

import typing as t

import msgspec

from mapper_newstore_stock.ledger.proof import Proofs
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mapper_newstore_stock.ledger.proof import Proof

DEFAULT_MAX_CUT_ITEMS = 500_000


class Rules(Value, frozen=True):
    """What decides which keys go out, with which quantity and range.

    Attributes:
        max_cut_items: How many stock records one cut should have at most.
        ignored_nodes: Fulfillment nodes not managed here (`*` globs).
        ignored_products: Products not managed here (`*` globs).
        proofs: How the ERP's numbers prove what they contain.
        zeroed: The sources whose vanished keys are sent as 0.
        kept: The sources whose vanished keys keep their last rows.
        unusable: The sources whose rows are too old: their keys are held.
        unusable_nodes: The fulfillment nodes of those sources (`*` globs).
        negative_is_zero: Send 0 for a negative quantity instead of failing.
        holds_keys: Hold keys without a row instead of failing.
        max_held_percent: How many keys may be held; None: 1 % of all keys, but 20 in any case.
        lists: What errors call the lists that were read.
        claims_ignored: Ranges cover completions of what is not managed here.
    """

    max_cut_items: int = DEFAULT_MAX_CUT_ITEMS
    ignored_nodes: Sequence[str] = ()
    ignored_products: Sequence[str] = ()
    proofs: Proofs = msgspec.field(default_factory=Proofs)
    zeroed: Sequence[str] = ("",)
    kept: Sequence[str] = ()
    unusable: Sequence[str] = ()
    unusable_nodes: Sequence[str] = ()
    negative_is_zero: bool = True
    holds_keys: bool = True
    max_held_percent: float | None = None
    lists: Sequence[str] = ()
    claims_ignored: bool = True

    @property
    def proofs_in_use(self) -> Mapping[str, Proof]:
        """The proofs of the sources whose rows numbers are computed from, by name."""
        return {name: proof for name, proof in self.proofs.by_source.items() if name not in self.unusable}
