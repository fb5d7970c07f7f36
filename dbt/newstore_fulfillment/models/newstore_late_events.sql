select
    event_id,
    happened,
    logical_timestamp,
    fulfillment_location_id,
    published_at,
    received_at,
    seconds_on_the_way
from {{ ref('newstore_events') }}
where seconds_on_the_way > {{ var('newstore_settle_seconds') }}
