"""Reads the rows of one on-hand list: plain ones fast, the others one by one."""

from __future__ import annotations

import logging
import typing as t

from mapper_newstore_stock.errors import NotWholeError, OnHandError
from mapper_newstore_stock.events import as_kept
from mapper_newstore_stock.run.examined_rows import FutureError, NoKeyError, examined
from mapper_newstore_stock.run.found_rows import each_row
from mapper_newstore_stock.run.globs import matcher
from mapper_newstore_stock.run.identities import MAX_CHARACTERS, readable
from mapper_newstore_stock.run.list_ends import is_blank
from mapper_newstore_stock.run.remembered import REMEMBERED, Remembered
from mapper_newstore_stock.run.row_problems import RowProblems
from mapper_newstore_stock.run.whole_numbers import INT64_MAX, UNITS_END

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mapper_newstore_stock.run.found_rows import Block, Found
    from mapper_newstore_stock.run.on_hand import OnHandRow, OnHandSource

logger = logging.getLogger("mapper-newstore-stock.on-hand")

Some = t.TypeVar("Some")
#: Digits of a number that is certainly within 64 bits.
SAFE_DIGITS = 18


class UnusableRow(t.NamedTuple):
    """A row of which only the key can be used.

    Attributes:
        fulfillment_node_id: As the ledger keeps it.
        product_id: As the ledger keeps it.
        reason: One line: file or table, row, column, what was read and what to do.
    """

    fulfillment_node_id: str
    product_id: str
    reason: str


class RowReader:
    """Reads the rows of one list, once.

    Args:
        source: Where they are.
        unusable: Takes rows of which only the key can be used; None: they refuse the list.
        is_whole: All rows are asked for, not only those changed since another reading.
        left_out: Takes the numbers of rows that were neither read nor to be ignored.
    """

    def __init__(
        self,
        source: OnHandSource,
        unusable: Callable[[UnusableRow], None] | None,
        *,
        is_whole: bool = True,
        left_out: Callable[[int], None] | None = None,
    ) -> None:
        self._source = source
        self._is_whole = is_whole
        self._left_out = left_out or (lambda _position: None)
        self._names = source.names
        self._unusable = unusable
        self._problems = RowProblems(source.place.name)
        self._ignores_node, self._ignores_product = matcher(source.ignored_nodes), matcher(source.ignored_products)
        #: Nodes that are as they should be, and whether they are managed here.
        self._nodes: dict[str, bool] = {}
        self._amounts, self._sayings = Remembered(source.numbers.read), Remembered(source.said)
        #: The last row that was as it should be or is to be left out; 0: there was none.
        self._last = 0
        #: The last row that needed a closer look; how errors call it if it may be a total line.
        self._last_examined = 0
        self._total = ""

    def rows(self, found: Iterable[Found]) -> Iterator[OnHandRow]:
        """Yield the rows that can be used of those found: node, product, quantity, what the form of proof asks for.

        Raises:
            OnHandError: rows cannot be used, and nobody took them; names them. Or there is no row at all.
        """
        return self._finished(self._one_by_one(found))

    def rows_of_blocks(self, blocks: Iterable[Block]) -> Iterator[list[OnHandRow]]:
        """Yield block by block what `rows` would. Nearly all blocks are plain: no row of them is looked at alone.

        Raises:
            OnHandError: as `rows`.
        """
        return self._finished(self._block_by_block(blocks))

    def _finished(self, rows: Iterator[Some]) -> Iterator[Some]:
        try:
            yield from rows
        except OnHandError as error:
            raise self._source.with_advice(error) from error
        self._finish()

    def _block_by_block(self, blocks: Iterable[Block]) -> Iterator[list[OnHandRow]]:
        for first, columns in blocks:
            if plain := self._plain(columns):
                self._last = first + len(columns[0]) - 1
                yield plain
            else:
                yield list(self._one_by_one(each_row([(first, columns)])))

    def _plain(self, columns: Sequence[Sequence[t.Any]]) -> list[OnHandRow] | None:
        """Return the rows of a block if each of them would pass `_one_by_one` without a closer look."""
        nodes, products, quantities, says = columns
        try:
            if not (all(map(self._nodes.__getitem__, set(nodes))) and self._are_plain(products)):
                return None
            are_numbers = set(map(type, quantities)) == {int}
            amounts = quantities if are_numbers else list(map(self._amounts.__getitem__, quantities))
            if not (min(amounts) > -UNITS_END and max(amounts) < UNITS_END):
                return None
            return list(zip(nodes, products, amounts, self._said(says), strict=True))
        except (KeyError, TypeError, ValueError):
            # As for one row: a node not met before, a key that is no text, a value that means nothing by itself.
            return None

    def _are_plain(self, products: Sequence[str]) -> bool:
        text, ignores = "".join(products), self._ignores_product
        return (
            text.isprintable()
            and (" " not in text or all(product == product.strip() for product in products))
            and all(products)
            and max(map(len, products)) <= MAX_CHARACTERS
            and "=" not in text
            and "%" not in text
            and not (ignores is not None and any(map(ignores, products)))
        )

    def _said(self, says: Sequence[t.Any]) -> Sequence[int | None]:
        """Return what the rows of a block say of the completions they contain.

        Raises:
            KeyError, TypeError, ValueError: some rows need a closer look.
        """
        kinds, meant = set(map(type, says)), says
        if self._source.says_when or (kinds == {str} and not any(says)):
            meant = list(map(self._sayings.__getitem__, says))
        elif kinds == {str}:
            text = "".join(says)
            if not (all(says) and max(map(len, says)) <= SAFE_DIGITS and text.isascii() and text.isdigit()):
                raise ValueError
            meant = list(map(int, says))
        if set(map(type, meant)) == {type(None)}:
            return meant
        if set(map(type, meant)) != {int} or min(meant) < -INT64_MAX or max(meant) > INT64_MAX:
            raise ValueError
        return meant

    def _one_by_one(self, found: Iterable[Found]) -> Iterator[OnHandRow]:
        """Nearly all rows are as they should be. They pass here, with as little done as possible for each."""
        nodes, ignores_product, last = self._nodes, self._ignores_product, self._last
        amounts, sayings, is_dated = self._amounts, self._sayings, self._source.says_when
        for position, values in found:
            node, product, quantity, says = values[:4]
            try:
                if not nodes[node] or (ignores_product is not None and ignores_product(product)):
                    last = position
                    continue
                if type(quantity) is not int:
                    quantity = amounts[quantity]
                if is_dated or (says is not None and type(says) is not int):
                    is_short = not is_dated and len(says) <= SAFE_DIGITS and says.isascii() and says.isdigit()
                    says = int(says) if is_short else sayings[says]
                is_plain = (
                    product.isprintable()
                    and (" " not in product or product == product.strip())
                    and 0 < len(product) <= MAX_CHARACTERS
                    and "=" not in product
                    and "%" not in product
                    and -UNITS_END < quantity < UNITS_END
                    and (says is None or -INT64_MAX <= says <= INT64_MAX)
                )
            except (KeyError, TypeError, AttributeError):
                # A node not met before, or a key that is no text.
                is_plain = False
            if is_plain:
                last = position
                yield node, product, quantity, says
            elif row := self._examined(position, values):
                yield row
        self._last = last

    def _finish(self) -> None:
        """Refuse the list if rows cannot be used and nobody took them, or if there are none.

        Raises:
            OnHandError: names the rows.
        """
        if self._is_whole and self._total and self._last < self._last_examined:
            self._problems.forget_last()
            logger.warning("%s: it names no product; taken for a total line and left out", self._total)
        self._problems.refuse()
        if self._is_whole and not (self._last or self._last_examined):
            place = self._source.place
            raise NotWholeError(
                f"{place.name}: there is no row in it, as if nothing were on hand anywhere. Nothing was sent. Let the "
                f"ERP write it again, or correct on_hand_{'query' if place.query else 'url'}"
            )

    def damaged(self, position: int, values: Sequence[t.Any], wrong: str) -> None:
        """Note a line that is no row, unless it is to be left out."""
        self._last_examined, self._total = position, ""
        if not self._is_ignored(values[0], readable(values[0]), readable(values[1])):
            self._problems.add(f"{self._source.place.name}, line {position}: {wrong}")

    def refuse(self, position: int, values: Sequence[t.Any], wrong: str) -> None:
        """Refuse the list for a row, unless the row is to be left out."""
        if not self._is_ignored(values[0], readable(values[0]), readable(values[1])):
            self._problems.add(f"{self._source.place.row(position, *values[:2])}: {wrong}")

    def _examined(self, position: int, values: Sequence[t.Any]) -> OnHandRow | None:
        """Read a row that is not plain; None when it is blank, to be left out, or cannot be used."""
        node, product = readable(values[0]), readable(values[1])
        if not (node or product) and is_blank(values[:4]):
            self._left_out(position)
            return None
        self._last_examined, self._total = position, ""
        if self._is_ignored(values[0], node, product):
            return None
        try:
            row = examined(self._source, self._names, values)
        except ValueError as error:
            self._left_out(position)
            self._give_up(error, (node, product), position, values)
            return None
        self._remember(values[0], node, is_managed=True)
        return row

    def _give_up(self, error: ValueError, key: tuple[str, str], position: int, values: Sequence[t.Any]) -> None:
        node, product = key
        where = self._source.place.row(position, *values[:2])
        if self._unusable is not None and not isinstance(error, (NoKeyError, FutureError)):
            self._unusable(UnusableRow(as_kept(node), as_kept(product), f"{where}: {error}"))
            return
        self._problems.add(f"{where}: {error}")
        # Excel writes the sum of a column below it; no row of a shop has a node to itself and no product.
        if self._source.place.is_csv and not (product or node in self._nodes) and node and is_blank(values[3:4]):
            self._total = where

    def _is_ignored(self, value: object, node: str, product: str) -> bool:
        """Return whether a row is to be left out, whatever else it says."""
        if self._ignores_node is not None and self._ignores_node(node):
            self._remember(value, node, is_managed=False)
            return True
        return self._ignores_product is not None and bool(self._ignores_product(product))

    def _remember(self, value: object, node: str, *, is_managed: bool) -> None:
        if value == node and len(self._nodes) < REMEMBERED:
            self._nodes[node] = is_managed
