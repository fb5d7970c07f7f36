with assigned as (
    select fulfillment_request_id, fulfillment_location_id, min(published_at) as assigned_at
    from {{ ref('newstore_events') }}
    where happened = 'assigned'
    group by 1, 2
),

completed as (
    select fulfillment_request_id, fulfillment_location_id, max(order_id) as order_id, max(published_at) as completed_at
    from {{ ref('newstore_events') }}
    where happened = 'completed'
    group by 1, 2
)

select
    completed.fulfillment_request_id,
    completed.order_id,
    completed.fulfillment_location_id,
    assigned.assigned_at,
    completed.completed_at,
    extract(epoch from completed.completed_at - assigned.assigned_at) / 3600 as hours_to_ship
from completed
left join assigned
    on assigned.fulfillment_request_id = completed.fulfillment_request_id
    and assigned.fulfillment_location_id = completed.fulfillment_location_id
