-- An ERP's stock on PostgreSQL, kept in step with NewStore.
--
-- It is safe to run again: existing tables and rows are kept. Everything is in the schema
-- `newstore`. Whatever changes a number locks the one row of `stock_lock` until it commits, so
-- numbers change one at a time and `updated_at` grows in commit order.

CREATE SCHEMA IF NOT EXISTS newstore;

-- What target-postgres writes: one row per event, location and product.
CREATE TABLE IF NOT EXISTS newstore.stock_changes (
    event_id text,
    fulfillment_node_id text,
    product_id text,
    event_name text,
    logical_timestamp bigint,
    on_hand_delta bigint,
    allocation_delta bigint,
    PRIMARY KEY (event_id, fulfillment_node_id, product_id)
);

-- The same changes, and whether the numbers contain them. The primary key makes each change count
-- once, even if `stock_changes` is emptied and loaded again.
CREATE TABLE IF NOT EXISTS newstore.stock_movement (
    event_id text NOT NULL,
    fulfillment_node_id text NOT NULL,
    product_id text NOT NULL,
    logical_timestamp bigint NOT NULL,
    on_hand_delta bigint NOT NULL,
    allocation_delta bigint NOT NULL,
    booked_at timestamptz,  -- NULL: not booked
    PRIMARY KEY (event_id, fulfillment_node_id, product_id)
);
CREATE INDEX IF NOT EXISTS stock_movement_waiting
    ON newstore.stock_movement (logical_timestamp) WHERE booked_at IS NULL;
CREATE INDEX IF NOT EXISTS stock_movement_by_key
    ON newstore.stock_movement (fulfillment_node_id, product_id, logical_timestamp);
CREATE INDEX IF NOT EXISTS stock_movement_by_timestamp
    ON newstore.stock_movement (logical_timestamp);

-- The numbers. The mapper reads the first four columns, and `updated_at` if configured.
CREATE TABLE IF NOT EXISTS newstore.stock_on_hand (
    fulfillment_node_id text,
    product_id text,
    quantity bigint NOT NULL,
    as_of_logical_timestamp bigint,  -- quantity contains every completion up to here (NULL: none)
    allocated bigint NOT NULL DEFAULT 0,  -- units NewStore has assigned, neither completed nor failed
    counted_through bigint,  -- the last count contains every completion up to here (NULL: none)
    late_run bigint,  -- the mapper's run after which a late completion was booked (NULL: settled)
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (fulfillment_node_id, product_id)
);

CREATE TABLE IF NOT EXISTS newstore.stock_lock (one boolean PRIMARY KEY DEFAULT true CHECK (one));
INSERT INTO newstore.stock_lock VALUES (true) ON CONFLICT DO NOTHING;

-- Records each change in the transaction that loads it.
CREATE OR REPLACE FUNCTION newstore.note_stock_changes() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO newstore.stock_movement
    SELECT event_id, fulfillment_node_id, product_id, logical_timestamp, on_hand_delta, allocation_delta
    FROM arrived
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER note_stock_changes AFTER INSERT ON newstore.stock_changes
REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION newstore.note_stock_changes();

-- Changes loaded before this file was first run.
INSERT INTO newstore.stock_movement
SELECT event_id, fulfillment_node_id, product_id, logical_timestamp, on_hand_delta, allocation_delta
FROM newstore.stock_changes
ON CONFLICT DO NOTHING;

-- Books waiting changes, each once, and returns how many.
--
-- through: the highest logical timestamp the mapper has taken. Nothing beyond it is booked. If a
--     number's `as_of` ran ahead of the mapper, an event arriving below it would not look late to
--     the mapper, and its unit would be sold twice. NULL books nothing.
-- run: the number of the mapper's last run that took events.
--
-- A change whose key has no row waits until there is one; no number is invented.
CREATE OR REPLACE FUNCTION newstore.apply_stock_changes(through bigint, run bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    booked bigint;
BEGIN
    PERFORM 1 FROM newstore.stock_lock FOR UPDATE;

    -- The mapper subtracts a late completion itself until the row changes after the run that took
    -- it. If the completion was booked before that run, this update is that change.
    UPDATE newstore.stock_on_hand AS s
    SET as_of_logical_timestamp = apply_stock_changes.through, late_run = NULL, updated_at = clock_timestamp()
    WHERE s.late_run < apply_stock_changes.run AND s.as_of_logical_timestamp < apply_stock_changes.through;

    WITH due AS (
        UPDATE newstore.stock_movement AS m
        SET booked_at = clock_timestamp()
        FROM newstore.stock_on_hand AS s
        WHERE s.fulfillment_node_id = m.fulfillment_node_id
            AND s.product_id = m.product_id
            AND m.booked_at IS NULL
            AND m.logical_timestamp <= apply_stock_changes.through
        RETURNING m.*,
            m.on_hand_delta <> 0 AS moves_stock,
            s.counted_through IS NOT NULL AND m.logical_timestamp <= s.counted_through AS is_counted,
            m.logical_timestamp <= s.as_of_logical_timestamp AS is_late
    ), change AS (
        SELECT
            fulfillment_node_id,
            product_id,
            count(*) AS movements,
            coalesce(sum(on_hand_delta) FILTER (WHERE NOT is_counted), 0) AS on_hand,
            sum(allocation_delta) AS allocation,
            max(logical_timestamp) FILTER (WHERE moves_stock) AS last,
            coalesce(bool_or(is_late) FILTER (WHERE moves_stock), false) AS is_late
        FROM due
        GROUP BY fulfillment_node_id, product_id
    ), changed AS (
        UPDATE newstore.stock_on_hand AS s
        SET quantity = s.quantity + change.on_hand,
            allocated = s.allocated + change.allocation,
            as_of_logical_timestamp = greatest(s.as_of_logical_timestamp, change.last),
            late_run = CASE WHEN change.is_late THEN apply_stock_changes.run ELSE s.late_run END,
            updated_at = clock_timestamp()
        FROM change
        WHERE s.fulfillment_node_id = change.fulfillment_node_id AND s.product_id = change.product_id
        RETURNING change.movements
    )
    SELECT coalesce(sum(movements), 0) INTO booked FROM changed;
    RETURN booked;
END $$;

-- Sets a counted number. This is also how a key gets its first row.
--
-- through: the count contains every completion up to here. Default: every completion loaded so
--     far, so count once all shipments have been loaded.
--
-- Completions up to `through` that are booked later do not change the number. Completions beyond
-- it that are booked already are subtracted from the counted number.
CREATE OR REPLACE FUNCTION newstore.count_stock(node text, product text, counted bigint, through bigint DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    contained bigint;
    since bigint;
    booked_through bigint;
BEGIN
    PERFORM 1 FROM newstore.stock_lock FOR UPDATE;
    SELECT coalesce(through, max(logical_timestamp)) INTO contained FROM newstore.stock_movement;
    SELECT
        coalesce(sum(on_hand_delta) FILTER (WHERE contained IS NULL OR logical_timestamp > contained), 0),
        max(logical_timestamp) FILTER (WHERE on_hand_delta <> 0)
    INTO since, booked_through
    FROM newstore.stock_movement
    WHERE fulfillment_node_id = node AND product_id = product AND booked_at IS NOT NULL;

    INSERT INTO newstore.stock_on_hand AS s
        (fulfillment_node_id, product_id, quantity, as_of_logical_timestamp, counted_through)
    VALUES (node, product, counted + since, greatest(contained, booked_through), contained)
    ON CONFLICT (fulfillment_node_id, product_id) DO UPDATE
    SET quantity = excluded.quantity,
        as_of_logical_timestamp = excluded.as_of_logical_timestamp,
        counted_through = excluded.counted_through,
        updated_at = clock_timestamp();
END $$;

-- Adds received units (or, if negative, removes lost ones).
CREATE OR REPLACE FUNCTION newstore.receive_goods(node text, product text, units bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM newstore.stock_lock FOR UPDATE;
    UPDATE newstore.stock_on_hand
    SET quantity = quantity + units, updated_at = clock_timestamp()
    WHERE fulfillment_node_id = node AND product_id = product;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% has no stock of %: count it first', node, product;
    END IF;
END $$;

-- Changes that are loaded but not in the numbers yet, and why.
CREATE OR REPLACE VIEW newstore.stock_waiting AS
SELECT
    m.fulfillment_node_id,
    m.product_id,
    m.event_id,
    m.logical_timestamp,
    m.on_hand_delta,
    m.allocation_delta,
    CASE WHEN s.quantity IS NULL THEN 'no row' ELSE 'not taken by the mapper' END AS reason
FROM newstore.stock_movement AS m
LEFT JOIN newstore.stock_on_hand AS s
    ON s.fulfillment_node_id = m.fulfillment_node_id AND s.product_id = m.product_id
WHERE m.booked_at IS NULL;

-- What the numbers contain, in whatever order it was booked: `booked_table` of the mapper for the form `booked`.
--
-- A unit is in its number when it is booked, or when a count has found it gone.
CREATE OR REPLACE VIEW newstore.stock_booked AS
SELECT
    m.event_id,
    m.fulfillment_node_id,
    m.product_id,
    -m.on_hand_delta AS units
FROM newstore.stock_movement AS m
JOIN newstore.stock_on_hand AS s
    ON s.fulfillment_node_id = m.fulfillment_node_id AND s.product_id = m.product_id
WHERE m.on_hand_delta < 0 AND (m.booked_at IS NOT NULL OR m.logical_timestamp <= s.counted_through);
