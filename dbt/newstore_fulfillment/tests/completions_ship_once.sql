-- A unit of a request is completed once; a row here is a unit that NewStore says was shipped twice.
select fulfillment_request_id, fulfillment_location_id, item_id, count(*) as completions
from {{ ref('newstore_units') }}
where happened = 'completed' and item_id is not null
group by 1, 2, 3
having count(*) > 1
