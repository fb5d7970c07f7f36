select
    event_id,
    tenant,
    event_name,
    case event_name
        when 'fulfillment_request.items_completed' then 'completed'
        when 'fulfillment_request.items_failed' then 'failed'
        else replace(event_name, 'fulfillment_request.', '')
    end as happened,
    logical_timestamp,
    fulfillment_request_id,
    order_id,
    fulfillment_location_id,
    service_level,
    cast(published_at as timestamp with time zone) as published_at,
    cast(received_at as timestamp with time zone) as received_at,
    extract(
        epoch from cast(received_at as timestamp with time zone) - cast(published_at as timestamp with time zone)
    ) as seconds_on_the_way
from {{ source('newstore', 'fulfillment_events') }}
