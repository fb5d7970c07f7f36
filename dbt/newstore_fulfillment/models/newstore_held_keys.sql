{{ config(enabled=var('newstore_ledger')) }}

select
    fulfillment_node_id,
    product_id,
    kind,
    reason,
    cast(since as timestamp with time zone) as since,
    extract(epoch from current_timestamp - cast(since as timestamp with time zone)) / 3600 as hours
from {{ source('newstore_ledger', 'held') }}
