"""A pure model of the pipeline: no SQL, no Singer, no process, and the true shelf beside it.

What the product has as plain functions is used as it is (the tap's release plan, the mapper's split along
timestamps and its bookmark, the target's count of a cut's records); what it says in SQL is said here once in
Python, for quantities by the oracle of `tests/mapper`.
"""
