--
-- PostgreSQL database dump
--


-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: ahead_unit; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ahead_unit (
    fulfillment_node_id text NOT NULL COLLATE pg_catalog."C",
    product_id text NOT NULL COLLATE pg_catalog."C",
    logical_timestamp bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    units integer NOT NULL,
    published_at bigint,
    fulfillment_request_id text COLLATE pg_catalog."C",
    order_id text COLLATE pg_catalog."C",
    booked integer DEFAULT 0 NOT NULL,
    run bigint DEFAULT '0'::bigint NOT NULL
);


--
-- Name: cut; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.cut (
    cut bigint NOT NULL,
    run bigint NOT NULL,
    logical_timestamp_start bigint,
    logical_timestamp_end bigint,
    mark bigint,
    size bigint NOT NULL
);


--
-- Name: cut_item; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.cut_item (
    cut bigint NOT NULL,
    fulfillment_node_id text NOT NULL COLLATE pg_catalog."C",
    product_id text NOT NULL COLLATE pg_catalog."C",
    quantity bigint NOT NULL,
    on_hand bigint NOT NULL,
    as_of_logical_timestamp bigint,
    completed bigint NOT NULL,
    added_back bigint NOT NULL,
    vanished boolean DEFAULT false NOT NULL
);


--
-- Name: run; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.run (
    run bigint NOT NULL,
    run_id text NOT NULL,
    host text NOT NULL,
    process integer NOT NULL,
    started_at text NOT NULL,
    taken_through bigint,
    taken_position bigint,
    taken_store_id text,
    acknowledged_cut bigint
);


--
-- Name: COLUMN run.started_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.run.started_at IS 'ISO 8601, UTC';


--
-- Name: COLUMN run.taken_through; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.run.taken_through IS 'the tap''s bookmark: logical timestamp';


--
-- Name: COLUMN run.taken_position; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.run.taken_position IS 'the tap''s bookmark: arrival position';


--
-- Name: COLUMN run.taken_store_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.run.taken_store_id IS 'the landing store the position belongs to';


--
-- Name: changes; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.changes AS
 SELECT i.fulfillment_node_id,
    i.product_id,
    i.cut,
    c.run,
    r.started_at,
    i.on_hand,
    i.as_of_logical_timestamp,
    c.mark,
    i.completed,
    i.added_back,
    i.quantity,
    c.logical_timestamp_start,
    c.logical_timestamp_end,
    i.vanished
   FROM ((public.cut_item i
     JOIN public.cut c ON ((c.cut = i.cut)))
     JOIN public.run r ON ((r.run = c.run)));


--
-- Name: completed_unit; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.completed_unit (
    fulfillment_node_id text NOT NULL COLLATE pg_catalog."C",
    product_id text NOT NULL COLLATE pg_catalog."C",
    logical_timestamp bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    units integer NOT NULL,
    late boolean NOT NULL,
    run bigint NOT NULL,
    cut bigint,
    published_at bigint,
    fulfillment_request_id text COLLATE pg_catalog."C",
    order_id text COLLATE pg_catalog."C",
    booked integer DEFAULT 0 NOT NULL
);


--
-- Name: folded; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.folded (
    fulfillment_node_id text NOT NULL COLLATE pg_catalog."C",
    product_id text NOT NULL COLLATE pg_catalog."C",
    units bigint NOT NULL,
    through bigint NOT NULL,
    published_through bigint
);


--
-- Name: folded_booking; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.folded_booking (
    reference text NOT NULL COLLATE pg_catalog."C",
    fulfillment_node_id text NOT NULL COLLATE pg_catalog."C",
    product_id text NOT NULL COLLATE pg_catalog."C",
    units bigint NOT NULL,
    unlisted_run bigint
);


--
-- Name: folded_unit; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.folded_unit (
    hash bigint NOT NULL
);


--
-- Name: held_key; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.held_key (
    fulfillment_node_id text NOT NULL COLLATE pg_catalog."C",
    product_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    reason text NOT NULL,
    since text NOT NULL
);


--
-- Name: held; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.held AS
 SELECT fulfillment_node_id,
    product_id,
    kind,
    reason,
    since
   FROM public.held_key;


--
-- Name: late_unit; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.late_unit (
    fulfillment_node_id text NOT NULL COLLATE pg_catalog."C",
    product_id text NOT NULL COLLATE pg_catalog."C",
    logical_timestamp bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    quantity bigint,
    as_of_logical_timestamp bigint
);


--
-- Name: on_hand; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.on_hand (
    fulfillment_node_id text NOT NULL COLLATE pg_catalog."C",
    product_id text NOT NULL COLLATE pg_catalog."C",
    quantity bigint NOT NULL,
    as_of_logical_timestamp bigint,
    changed_run bigint NOT NULL,
    sent_quantity bigint,
    sent_cut bigint,
    taken_at bigint,
    source text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    absence text DEFAULT ''::text NOT NULL
)
WITH (fillfactor='50');


--
-- Name: latest; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.latest AS
 SELECT o.fulfillment_node_id,
    o.product_id,
    o.quantity AS on_hand,
    o.as_of_logical_timestamp,
    o.sent_quantity AS quantity,
    o.sent_cut AS cut,
    c.mark,
    r.started_at AS sent_at
   FROM ((public.on_hand o
     LEFT JOIN public.cut c ON ((c.cut = o.sent_cut)))
     LEFT JOIN public.run r ON ((r.run = c.run)));


--
-- Name: ledger; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.ledger (
    schema_version integer NOT NULL,
    ledger_id text NOT NULL,
    horizon bigint,
    folded_at text,
    erp_is_current boolean,
    on_hand_cursor text
);


--
-- Name: COLUMN ledger.folded_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ledger.folded_at IS 'ISO 8601, UTC';


--
-- Name: COLUMN ledger.on_hand_cursor; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.ledger.on_hand_cursor IS 'JSON: highest value of on_hand_updated_column read';


--
-- Name: run_run_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.run_run_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: run_run_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.run_run_seq OWNED BY public.run.run;


--
-- Name: runs; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.runs AS
 SELECT r.run,
    r.started_at,
    r.host,
    r.process,
    r.taken_through,
    r.acknowledged_cut,
    min(c.cut) AS first_cut,
    max(c.cut) AS last_cut,
    COALESCE(sum(c.size), (0)::numeric) AS records
   FROM (public.run r
     LEFT JOIN public.cut c ON ((c.run = r.run)))
  GROUP BY r.run, r.started_at, r.host, r.process, r.taken_through, r.acknowledged_cut;


--
-- Name: source; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.source (
    name text NOT NULL COLLATE pg_catalog."C",
    proof text,
    cursor text,
    read_run bigint,
    taken_at bigint,
    full_read_at bigint,
    list text
);


--
-- Name: standing_unit; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.standing_unit (
    fulfillment_node_id text NOT NULL COLLATE pg_catalog."C",
    product_id text NOT NULL COLLATE pg_catalog."C",
    logical_timestamp bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    units bigint NOT NULL
);


--
-- Name: unclaimed; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.unclaimed (
    logical_timestamp bigint NOT NULL
);


--
-- Name: unknown_past; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.unknown_past (
    through bigint NOT NULL,
    some_late boolean DEFAULT false NOT NULL
);


--
-- Name: run run; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.run ALTER COLUMN run SET DEFAULT nextval('public.run_run_seq'::regclass);


--
-- Data for Name: ahead_unit; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: completed_unit; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.completed_unit VALUES ('NYC1', 'SKU-1', 6, 'fulfillment_request.items_completed:42fe19cb-f74b-4973-9ed3-3cb124bd9211:6', 1, false, 4, 3, NULL, NULL, NULL, 0);
INSERT INTO public.completed_unit VALUES ('DC01', 'SKU-2', 4, 'fulfillment_request.items_completed:beafd440-349d-4eea-87a8-e3a9ad356bb0:4', 1, true, 5, 4, NULL, NULL, NULL, 0);
INSERT INTO public.completed_unit VALUES ('DC01', 'SKU-1', 10, 'fulfillment_request.items_completed:15d65efb-43b0-4e23-9a55-e437aa812f4a:10', 1, false, 0, 7, NULL, NULL, NULL, 0);
INSERT INTO public.completed_unit VALUES ('NYC1', 'SKU-3', 8, 'fulfillment_request.items_completed:af5bf008-62d3-461b-9484-1ed87a7e0a07:8', 1, false, 7, 7, NULL, NULL, NULL, 0);


--
-- Data for Name: cut; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.cut VALUES (1, 1, NULL, NULL, NULL, 4);
INSERT INTO public.cut VALUES (2, 2, 2, 2, 2, 1);
INSERT INTO public.cut VALUES (3, 4, 6, 6, 6, 1);
INSERT INTO public.cut VALUES (4, 5, 4, 4, 6, 1);
INSERT INTO public.cut VALUES (5, 7, 8, 8, 8, 1);
INSERT INTO public.cut VALUES (6, 8, 8, 8, 8, 1);
INSERT INTO public.cut VALUES (7, 9, 8, 10, 10, 2);


--
-- Data for Name: cut_item; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.cut_item VALUES (3, 'NYC1', 'SKU-1', 4, 5, NULL, 1, 0, false);
INSERT INTO public.cut_item VALUES (4, 'DC01', 'SKU-2', 7, 8, NULL, 1, 0, false);
INSERT INTO public.cut_item VALUES (5, 'NYC1', 'SKU-3', 3, 4, NULL, 1, 0, false);
INSERT INTO public.cut_item VALUES (6, 'NYC1', 'SKU-3', 3, 4, NULL, 1, 0, false);
INSERT INTO public.cut_item VALUES (7, 'DC01', 'SKU-1', 7, 8, 2, 1, 0, false);
INSERT INTO public.cut_item VALUES (7, 'NYC1', 'SKU-3', 3, 4, NULL, 1, 0, false);


--
-- Data for Name: folded; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.folded VALUES ('DC01', 'SKU-1', 2, 2, NULL);


--
-- Data for Name: folded_booking; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: folded_unit; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: held_key; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: late_unit; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.late_unit VALUES ('DC01', 'SKU-2', 4, 'fulfillment_request.items_completed:beafd440-349d-4eea-87a8-e3a9ad356bb0:4', 8, NULL);


--
-- Data for Name: ledger; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.ledger VALUES (4, 'a46aaa3aca70405591035325690eae10', 2, '2026-11-28T18:56:24+00:00', false, NULL);


--
-- Data for Name: on_hand; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.on_hand VALUES ('NYC1', 'SKU-1', 5, NULL, 1, 4, 3, NULL, '', '');
INSERT INTO public.on_hand VALUES ('DC01', 'SKU-2', 8, NULL, 1, 7, 4, NULL, '', '');
INSERT INTO public.on_hand VALUES ('DC01', 'SKU-1', 8, 2, 3, 7, 7, NULL, '', '');
INSERT INTO public.on_hand VALUES ('NYC1', 'SKU-3', 4, NULL, 1, 3, 7, NULL, '', '');


--
-- Data for Name: run; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.run VALUES (1, 'b748d8dabd55', 'vm', 25814, '2026-11-27T18:23:00+00:00', NULL, 0, '97d132a0-cc28-4a14-8a45-b456b93542c6', 0);
INSERT INTO public.run VALUES (2, '494368a311aa', 'vm', 25830, '2026-11-27T18:23:02+00:00', 2, 2, '97d132a0-cc28-4a14-8a45-b456b93542c6', 1);
INSERT INTO public.run VALUES (3, '9efb7cc093d1', 'vm', 25841, '2026-11-27T18:23:04+00:00', 2, 2, '97d132a0-cc28-4a14-8a45-b456b93542c6', 2);
INSERT INTO public.run VALUES (4, '5fa113feb578', 'vm', 25846, '2026-11-27T18:23:05+00:00', 6, 4, '97d132a0-cc28-4a14-8a45-b456b93542c6', 2);
INSERT INTO public.run VALUES (5, '69ab9c229f4c', 'vm', 25854, '2026-11-27T18:23:07+00:00', 6, 5, '97d132a0-cc28-4a14-8a45-b456b93542c6', 3);
INSERT INTO public.run VALUES (6, '8f70718dbd26', 'vm', 25900, '2026-11-27T18:23:08+00:00', 6, 8, '97d132a0-cc28-4a14-8a45-b456b93542c6', 4);
INSERT INTO public.run VALUES (7, '978266bfbf5f', 'vm', 25930, '2026-11-27T18:23:09+00:00', 8, 11, '97d132a0-cc28-4a14-8a45-b456b93542c6', 4);
INSERT INTO public.run VALUES (8, '07d1f83fac71', 'vm', 25967, '2026-11-27T18:23:10+00:00', 6, 13, '97d132a0-cc28-4a14-8a45-b456b93542c6', 4);
INSERT INTO public.run VALUES (9, '0cee91257ee9', 'vm', 7729, '2026-11-28T18:56:23+00:00', 10, 13, '97d132a0-cc28-4a14-8a45-b456b93542c6', 4);


--
-- Data for Name: source; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.source VALUES ('', '{"form":"column","skew_ms":0,"taken_at":null,"contained_through":null,"known_by":"","known_run":null}', NULL, 9, 1795892184251, 1795892184251, NULL);


--
-- Data for Name: standing_unit; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: unclaimed; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: unknown_past; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Name: run_run_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.run_run_seq', 9, true);


--
-- Name: ahead_unit ahead_unit_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ahead_unit
    ADD CONSTRAINT ahead_unit_pkey PRIMARY KEY (fulfillment_node_id, product_id, logical_timestamp, event_id);


--
-- Name: completed_unit completed_unit_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.completed_unit
    ADD CONSTRAINT completed_unit_pkey PRIMARY KEY (fulfillment_node_id, product_id, logical_timestamp, event_id);


--
-- Name: cut_item cut_item_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.cut_item
    ADD CONSTRAINT cut_item_pkey PRIMARY KEY (cut, fulfillment_node_id, product_id);


--
-- Name: cut cut_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.cut
    ADD CONSTRAINT cut_pkey PRIMARY KEY (cut);


--
-- Name: folded_booking folded_booking_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.folded_booking
    ADD CONSTRAINT folded_booking_pkey PRIMARY KEY (reference, fulfillment_node_id, product_id);


--
-- Name: folded folded_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.folded
    ADD CONSTRAINT folded_pkey PRIMARY KEY (fulfillment_node_id, product_id);


--
-- Name: folded_unit folded_unit_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.folded_unit
    ADD CONSTRAINT folded_unit_pkey PRIMARY KEY (hash);


--
-- Name: held_key held_key_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.held_key
    ADD CONSTRAINT held_key_pkey PRIMARY KEY (fulfillment_node_id, product_id);


--
-- Name: late_unit late_unit_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.late_unit
    ADD CONSTRAINT late_unit_pkey PRIMARY KEY (fulfillment_node_id, product_id, logical_timestamp, event_id);


--
-- Name: ledger ledger_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (schema_version);


--
-- Name: on_hand on_hand_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.on_hand
    ADD CONSTRAINT on_hand_pkey PRIMARY KEY (fulfillment_node_id, product_id);


--
-- Name: run run_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (run);


--
-- Name: source source_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.source
    ADD CONSTRAINT source_pkey PRIMARY KEY (name);


--
-- Name: standing_unit standing_unit_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.standing_unit
    ADD CONSTRAINT standing_unit_pkey PRIMARY KEY (fulfillment_node_id, product_id, logical_timestamp, event_id);


--
-- Name: unclaimed unclaimed_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.unclaimed
    ADD CONSTRAINT unclaimed_pkey PRIMARY KEY (logical_timestamp);


--
-- Name: absent_row; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX absent_row ON public.on_hand USING btree (absence) WHERE (absence <> ''::text);


--
-- PostgreSQL database dump complete
--


