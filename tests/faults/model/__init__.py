"""A pure model of the pipeline: no SQL, no Singer, no processes, and the true shelf beside it.

The product's plain functions are used as they are: the tap's release plan, the mapper's split along timestamps and
its bookmark, the target's count of a cut's records. What the product does in SQL is written here once in Python;
so are the sums and the proofs behind each number, and NewStore.
"""
