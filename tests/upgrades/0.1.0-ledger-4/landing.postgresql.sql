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
-- Name: audit; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit (
    integration_id text NOT NULL,
    starts_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    "position" bigint NOT NULL,
    beat_at bigint NOT NULL,
    ended_at bigint,
    is_whole integer,
    lost bigint
);


--
-- Name: COLUMN audit.integration_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.audit.integration_id IS 'of the temporary integration';


--
-- Name: COLUMN audit.starts_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.audit.starts_at IS 'epoch milliseconds of publication';


--
-- Name: COLUMN audit.ends_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.audit.ends_at IS 'epoch milliseconds of publication';


--
-- Name: COLUMN audit."position"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.audit."position" IS 'the last arrival before it began';


--
-- Name: COLUMN audit.beat_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.audit.beat_at IS 'epoch milliseconds: its process was alive then';


--
-- Name: COLUMN audit.ended_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.audit.ended_at IS 'epoch milliseconds; NULL: it runs, or was killed';


--
-- Name: COLUMN audit.is_whole; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.audit.is_whole IS '1: all that was known of the period came again; NULL: it has not ended';


--
-- Name: COLUMN audit.lost; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.audit.lost IS 'how many events came that were not known; NULL: it has not ended';


--
-- Name: audited_event; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audited_event (
    number bigint NOT NULL,
    integration_id text NOT NULL,
    event_id text NOT NULL,
    logical_timestamp bigint,
    was_known integer NOT NULL
);


--
-- Name: COLUMN audited_event.event_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.audited_event.event_id IS 'a hash, for a refused body that names none';


--
-- Name: COLUMN audited_event.logical_timestamp; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.audited_event.logical_timestamp IS 'NULL: a refused body without one';


--
-- Name: COLUMN audited_event.was_known; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.audited_event.was_known IS '0: it had been lost';


--
-- Name: audited_event_number_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.audited_event_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: audited_event_number_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.audited_event_number_seq OWNED BY public.audited_event.number;


--
-- Name: clock_check; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.clock_check (
    check_id bigint NOT NULL,
    clock text NOT NULL,
    boot_id text NOT NULL,
    boot_ms bigint NOT NULL,
    wall_ms bigint NOT NULL,
    "position" bigint NOT NULL
);


--
-- Name: COLUMN clock_check.boot_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.clock_check.boot_id IS 'a start of a host';


--
-- Name: COLUMN clock_check.boot_ms; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.clock_check.boot_ms IS 'milliseconds since then';


--
-- Name: COLUMN clock_check.wall_ms; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.clock_check.wall_ms IS 'epoch milliseconds by the clock';


--
-- Name: COLUMN clock_check."position"; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.clock_check."position" IS 'everything up to it was kept by then';


--
-- Name: clock_check_check_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.clock_check_check_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: clock_check_check_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.clock_check_check_id_seq OWNED BY public.clock_check.check_id;


--
-- Name: export_file; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.export_file (
    prefix text NOT NULL,
    name text NOT NULL,
    version text NOT NULL
);


--
-- Name: COLUMN export_file.name; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.export_file.name IS 'path below the prefix';


--
-- Name: COLUMN export_file.version; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.export_file.version IS 'size, last write and mark, as the object store lists them';


--
-- Name: fulfillment_event; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fulfillment_event (
    "position" bigint NOT NULL,
    event_id text NOT NULL,
    event_name text NOT NULL,
    logical_timestamp bigint NOT NULL,
    received_at bigint NOT NULL,
    body text
);


--
-- Name: COLUMN fulfillment_event.received_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fulfillment_event.received_at IS 'epoch milliseconds, the store''s clock';


--
-- Name: COLUMN fulfillment_event.body; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.fulfillment_event.body IS 'NULL: pruned';


--
-- Name: fulfillment_event_position_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.fulfillment_event_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: fulfillment_event_position_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.fulfillment_event_position_seq OWNED BY public.fulfillment_event."position";


--
-- Name: landing_store; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.landing_store (
    store_id text NOT NULL,
    schema_version integer NOT NULL,
    tenant text
);


--
-- Name: late_arrival; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.late_arrival (
    number bigint NOT NULL,
    "position" bigint NOT NULL,
    waited_ms bigint NOT NULL
);


--
-- Name: COLUMN late_arrival.waited_ms; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.late_arrival.waited_ms IS 'milliseconds';


--
-- Name: late_arrival_number_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.late_arrival_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: late_arrival_number_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.late_arrival_number_seq OWNED BY public.late_arrival.number;


--
-- Name: loss; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.loss (
    evidence text NOT NULL,
    seen_at bigint NOT NULL,
    since bigint NOT NULL,
    audited_at bigint
);


--
-- Name: COLUMN loss.evidence; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.loss.evidence IS 'the event that was seen gone';


--
-- Name: COLUMN loss.seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.loss.seen_at IS 'epoch milliseconds';


--
-- Name: COLUMN loss.since; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.loss.since IS 'epoch milliseconds: what was published later may be gone';


--
-- Name: COLUMN loss.audited_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.loss.audited_at IS 'epoch milliseconds; NULL: no audit has gone back that far yet';


--
-- Name: pruning; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.pruning (
    id integer NOT NULL,
    completed_through bigint,
    completed_position bigint
);


--
-- Name: quarantine; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.quarantine (
    id bigint NOT NULL,
    received_at bigint NOT NULL,
    path text NOT NULL,
    reason text NOT NULL,
    body bytea NOT NULL,
    kind text DEFAULT 'refused'::text NOT NULL,
    event_id text,
    holes text,
    bytes bigint DEFAULT '0'::bigint NOT NULL,
    line bigint,
    looked_at bigint
);


--
-- Name: COLUMN quarantine.received_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.quarantine.received_at IS 'epoch milliseconds';


--
-- Name: quarantine_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.quarantine_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: quarantine_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.quarantine_id_seq OWNED BY public.quarantine.id;


--
-- Name: reader; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.reader (
    reader_id text NOT NULL,
    through bigint NOT NULL,
    "position" bigint NOT NULL,
    seen_at bigint NOT NULL
);


--
-- Name: COLUMN reader.reader_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.reader.reader_id IS 'stands in the pipeline''s bookmark';


--
-- Name: COLUMN reader.through; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.reader.through IS 'logical timestamp';


--
-- Name: COLUMN reader.seen_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.reader.seen_at IS 'epoch milliseconds of its last run';


--
-- Name: audited_event number; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audited_event ALTER COLUMN number SET DEFAULT nextval('public.audited_event_number_seq'::regclass);


--
-- Name: clock_check check_id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.clock_check ALTER COLUMN check_id SET DEFAULT nextval('public.clock_check_check_id_seq'::regclass);


--
-- Name: fulfillment_event position; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fulfillment_event ALTER COLUMN "position" SET DEFAULT nextval('public.fulfillment_event_position_seq'::regclass);


--
-- Name: late_arrival number; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.late_arrival ALTER COLUMN number SET DEFAULT nextval('public.late_arrival_number_seq'::regclass);


--
-- Name: quarantine id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.quarantine ALTER COLUMN id SET DEFAULT nextval('public.quarantine_id_seq'::regclass);


--
-- Data for Name: audit; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: audited_event; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: clock_check; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.clock_check VALUES (1, 'store', '199f6531-65bc-4924-a61f-a92be97965ec time:[4026531834]', 3824264, 1795803779771, 0);
INSERT INTO public.clock_check VALUES (2, 'store', '199f6531-65bc-4924-a61f-a92be97965ec time:[4026531834]', 3835366, 1795803790873, 13);


--
-- Data for Name: export_file; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: fulfillment_event; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.fulfillment_event VALUES (1, 'fulfillment_request.assigned:30973b06-4b27-45f7-9496-fd146f46efda:1', 'fulfillment_request.assigned', 1, 1795803781094, '{"tenant": "demo", "name": "fulfillment_request.assigned", "published_at": "2026-11-27T18:23:01.077Z", "payload": {"id": "30973b06-4b27-45f7-9496-fd146f46efda", "order_id": "b6483049-7a44-43d0-ab2b-31048c6956cb", "logical_timestamp": 1, "fulfillment_location_id": "DC01", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "dcc1b9cc-5384-4f1c-a36c-6d02eb9880fe", "product_id": "SKU-1"}, {"id": "889f0130-ab32-4f0e-918a-9084635378d7", "product_id": "SKU-1"}]}}');
INSERT INTO public.fulfillment_event VALUES (2, 'fulfillment_request.items_completed:30973b06-4b27-45f7-9496-fd146f46efda:2', 'fulfillment_request.items_completed', 2, 1795803781097, '{"tenant": "demo", "name": "fulfillment_request.items_completed", "published_at": "2026-11-27T18:23:01.080Z", "payload": {"id": "30973b06-4b27-45f7-9496-fd146f46efda", "order_id": "b6483049-7a44-43d0-ab2b-31048c6956cb", "logical_timestamp": 2, "fulfillment_location_id": "DC01", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "dcc1b9cc-5384-4f1c-a36c-6d02eb9880fe", "product_id": "SKU-1"}, {"id": "889f0130-ab32-4f0e-918a-9084635378d7", "product_id": "SKU-1"}]}}');
INSERT INTO public.fulfillment_event VALUES (4, 'fulfillment_request.items_completed:42fe19cb-f74b-4973-9ed3-3cb124bd9211:6', 'fulfillment_request.items_completed', 6, 1795803784281, '{"tenant": "demo", "name": "fulfillment_request.items_completed", "published_at": "2026-11-27T18:23:04.274Z", "payload": {"id": "42fe19cb-f74b-4973-9ed3-3cb124bd9211", "order_id": "89bbfec1-4e99-492c-86df-308aa376d81c", "logical_timestamp": 6, "fulfillment_location_id": "NYC1", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "3ef18ed0-0739-44b9-85b6-17909da01144", "product_id": "SKU-1"}]}}');
INSERT INTO public.fulfillment_event VALUES (5, 'fulfillment_request.items_completed:beafd440-349d-4eea-87a8-e3a9ad356bb0:4', 'fulfillment_request.items_completed', 4, 1795803785934, '{"tenant": "demo", "name": "fulfillment_request.items_completed", "published_at": "2026-11-27T18:23:04.269Z", "payload": {"id": "beafd440-349d-4eea-87a8-e3a9ad356bb0", "order_id": "0cc2cf88-a657-4cc6-9ebb-09ad246118fa", "logical_timestamp": 4, "fulfillment_location_id": "DC01", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "e12c06f5-ae0b-4e9d-8d41-f5464b15b380", "product_id": "SKU-2"}]}}');
INSERT INTO public.fulfillment_event VALUES (6, 'fulfillment_request.assigned:beafd440-349d-4eea-87a8-e3a9ad356bb0:3', 'fulfillment_request.assigned', 3, 1795803787494, '{"tenant": "demo", "name": "fulfillment_request.assigned", "published_at": "2026-11-27T18:23:04.267Z", "payload": {"id": "beafd440-349d-4eea-87a8-e3a9ad356bb0", "order_id": "0cc2cf88-a657-4cc6-9ebb-09ad246118fa", "logical_timestamp": 3, "fulfillment_location_id": "DC01", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "e12c06f5-ae0b-4e9d-8d41-f5464b15b380", "product_id": "SKU-2"}]}}');
INSERT INTO public.fulfillment_event VALUES (8, 'fulfillment_request.assigned:42fe19cb-f74b-4973-9ed3-3cb124bd9211:5', 'fulfillment_request.assigned', 5, 1795803787500, '{"tenant": "demo", "name": "fulfillment_request.assigned", "published_at": "2026-11-27T18:23:04.272Z", "payload": {"id": "42fe19cb-f74b-4973-9ed3-3cb124bd9211", "order_id": "89bbfec1-4e99-492c-86df-308aa376d81c", "logical_timestamp": 5, "fulfillment_location_id": "NYC1", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "3ef18ed0-0739-44b9-85b6-17909da01144", "product_id": "SKU-1"}]}}');
INSERT INTO public.fulfillment_event VALUES (10, 'fulfillment_request.assigned:af5bf008-62d3-461b-9484-1ed87a7e0a07:7', 'fulfillment_request.assigned', 7, 1795803788725, '{"tenant": "demo", "name": "fulfillment_request.assigned", "published_at": "2026-11-27T18:23:08.720Z", "payload": {"id": "af5bf008-62d3-461b-9484-1ed87a7e0a07", "order_id": "30fe85d2-bfb9-41d1-a032-f36aba4b34dc", "logical_timestamp": 7, "fulfillment_location_id": "NYC1", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "eca6583d-9a1f-4345-b270-87cf8b270636", "product_id": "SKU-3"}]}}');
INSERT INTO public.fulfillment_event VALUES (11, 'fulfillment_request.items_completed:af5bf008-62d3-461b-9484-1ed87a7e0a07:8', 'fulfillment_request.items_completed', 8, 1795803788730, '{"tenant": "demo", "name": "fulfillment_request.items_completed", "published_at": "2026-11-27T18:23:08.724Z", "payload": {"id": "af5bf008-62d3-461b-9484-1ed87a7e0a07", "order_id": "30fe85d2-bfb9-41d1-a032-f36aba4b34dc", "logical_timestamp": 8, "fulfillment_location_id": "NYC1", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "eca6583d-9a1f-4345-b270-87cf8b270636", "product_id": "SKU-3"}]}}');
INSERT INTO public.fulfillment_event VALUES (12, 'fulfillment_request.assigned:15d65efb-43b0-4e23-9a55-e437aa812f4a:9', 'fulfillment_request.assigned', 9, 1795803789910, '{"tenant": "demo", "name": "fulfillment_request.assigned", "published_at": "2026-11-27T18:23:09.907Z", "payload": {"id": "15d65efb-43b0-4e23-9a55-e437aa812f4a", "order_id": "9ecb8255-c311-4f7e-87b2-b47e1d51d774", "logical_timestamp": 9, "fulfillment_location_id": "DC01", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "c66d3378-2c2d-42ea-8349-e4cb982fa64e", "product_id": "SKU-1"}]}}');
INSERT INTO public.fulfillment_event VALUES (13, 'fulfillment_request.items_completed:15d65efb-43b0-4e23-9a55-e437aa812f4a:10', 'fulfillment_request.items_completed', 10, 1795803789918, '{"tenant": "demo", "name": "fulfillment_request.items_completed", "published_at": "2026-11-27T18:23:09.913Z", "payload": {"id": "15d65efb-43b0-4e23-9a55-e437aa812f4a", "order_id": "9ecb8255-c311-4f7e-87b2-b47e1d51d774", "logical_timestamp": 10, "fulfillment_location_id": "DC01", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "c66d3378-2c2d-42ea-8349-e4cb982fa64e", "product_id": "SKU-1"}]}}');


--
-- Data for Name: landing_store; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.landing_store VALUES ('97d132a0-cc28-4a14-8a45-b456b93542c6', 3, 'demo');


--
-- Data for Name: late_arrival; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.late_arrival VALUES (1, 5, 0);
INSERT INTO public.late_arrival VALUES (2, 6, 0);
INSERT INTO public.late_arrival VALUES (3, 8, 0);


--
-- Data for Name: loss; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: pruning; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.pruning VALUES (1, NULL, NULL);


--
-- Data for Name: quarantine; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.quarantine VALUES (1, 1795803791092, '/events', 'body: JSON is malformed: invalid character (byte 4)', '\x6e6f206576656e74', 'refused', NULL, NULL, 8, NULL, NULL);


--
-- Data for Name: reader; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.reader VALUES ('663fdfdf-5586-4c38-a093-c1aae9ea8f46', 6, 8, 1795892183616);


--
-- Name: audited_event_number_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.audited_event_number_seq', 1, false);


--
-- Name: clock_check_check_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.clock_check_check_id_seq', 2, true);


--
-- Name: fulfillment_event_position_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.fulfillment_event_position_seq', 13, true);


--
-- Name: late_arrival_number_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.late_arrival_number_seq', 3, true);


--
-- Name: quarantine_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.quarantine_id_seq', 1, true);


--
-- Name: audit audit_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (integration_id);


--
-- Name: audited_event audited_event_integration_id_event_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audited_event
    ADD CONSTRAINT audited_event_integration_id_event_id_key UNIQUE (integration_id, event_id);


--
-- Name: audited_event audited_event_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audited_event
    ADD CONSTRAINT audited_event_pkey PRIMARY KEY (number);


--
-- Name: clock_check clock_check_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.clock_check
    ADD CONSTRAINT clock_check_pkey PRIMARY KEY (check_id);


--
-- Name: export_file export_file_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.export_file
    ADD CONSTRAINT export_file_pkey PRIMARY KEY (prefix, name);


--
-- Name: fulfillment_event fulfillment_event_event_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fulfillment_event
    ADD CONSTRAINT fulfillment_event_event_id_key UNIQUE (event_id);


--
-- Name: fulfillment_event fulfillment_event_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fulfillment_event
    ADD CONSTRAINT fulfillment_event_pkey PRIMARY KEY ("position");


--
-- Name: landing_store landing_store_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.landing_store
    ADD CONSTRAINT landing_store_pkey PRIMARY KEY (store_id);


--
-- Name: late_arrival late_arrival_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.late_arrival
    ADD CONSTRAINT late_arrival_pkey PRIMARY KEY (number);


--
-- Name: late_arrival late_arrival_position_waited_ms_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.late_arrival
    ADD CONSTRAINT late_arrival_position_waited_ms_key UNIQUE ("position", waited_ms);


--
-- Name: loss loss_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.loss
    ADD CONSTRAINT loss_pkey PRIMARY KEY (evidence);


--
-- Name: pruning pruning_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pruning
    ADD CONSTRAINT pruning_pkey PRIMARY KEY (id);


--
-- Name: quarantine quarantine_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (id);


--
-- Name: reader reader_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.reader
    ADD CONSTRAINT reader_pkey PRIMARY KEY (reader_id);


--
-- Name: clock_check_by_host; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX clock_check_by_host ON public.clock_check USING btree (clock, boot_id, boot_ms);


--
-- Name: fulfillment_event_by_timestamp; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fulfillment_event_by_timestamp ON public.fulfillment_event USING btree (logical_timestamp, "position");


--
-- Name: quarantine_by_event; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX quarantine_by_event ON public.quarantine USING btree (event_id);


--
-- Name: quarantine_by_kind; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX quarantine_by_kind ON public.quarantine USING btree (kind);


--
-- PostgreSQL database dump complete
--


