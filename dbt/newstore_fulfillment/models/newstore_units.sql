with units as (
    {{ newstore_units_of(source('newstore', 'fulfillment_events')) }}
)

select
    units.event_id,
    units.item_number,
    units.item_id,
    units.product_id,
    units.reason,
    event.happened,
    event.logical_timestamp,
    event.published_at,
    event.fulfillment_request_id,
    event.order_id,
    event.fulfillment_location_id
from units
inner join {{ ref('newstore_events') }} as event on event.event_id = units.event_id
