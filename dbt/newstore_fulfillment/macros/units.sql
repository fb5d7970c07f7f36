{#- The units of events: in PostgreSQL an array of JSON, or a JSON array, as the target likes it. Other databases override it in the project that uses the package. -#}
{% macro newstore_units_of(events) -%}
    {{ return(adapter.dispatch('newstore_units_of', 'newstore_fulfillment')(events)) }}
{%- endmacro %}

{% macro postgres__newstore_units_of(events) %}
    select
        event.event_id,
        unit.number - 1 as item_number,
        unit.item ->> 'id' as item_id,
        unit.item ->> 'product_id' as product_id,
        coalesce(unit.item ->> '{{ var("newstore_reason_field") }}', 'unknown') as reason
    from {{ events }} as event
    cross join lateral jsonb_array_elements(to_jsonb(event.items)) with ordinality as unit (item, number)
{% endmacro %}
