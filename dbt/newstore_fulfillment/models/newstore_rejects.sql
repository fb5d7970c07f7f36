select
    cast(published_at as date) as day,
    fulfillment_location_id,
    reason,
    count(*) as units,
    count(distinct fulfillment_request_id) as requests
from {{ ref('newstore_units') }}
where happened = 'failed'
group by 1, 2, 3
