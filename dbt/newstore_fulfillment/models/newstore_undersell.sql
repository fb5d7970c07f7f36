{{ config(enabled=var('newstore_ledger')) }}

select
    fulfillment_node_id,
    product_id,
    on_hand,
    quantity,
    on_hand - quantity as units_withheld,
    cast(sent_at as timestamp with time zone) as since
from {{ source('newstore_ledger', 'latest') }}
where quantity < on_hand
