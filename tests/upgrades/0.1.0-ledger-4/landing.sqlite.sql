BEGIN TRANSACTION;
CREATE TABLE audit (
	integration_id TEXT NOT NULL, 
	starts_at BIGINT NOT NULL, 
	ends_at BIGINT NOT NULL, 
	position BIGINT NOT NULL, 
	beat_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	is_whole INTEGER, 
	lost BIGINT, 
	PRIMARY KEY (integration_id)
);
CREATE TABLE audited_event (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	integration_id TEXT NOT NULL, 
	event_id TEXT NOT NULL, 
	logical_timestamp BIGINT, 
	was_known INTEGER NOT NULL, 
	UNIQUE (integration_id, event_id)
);
CREATE TABLE clock_check (
	check_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	clock TEXT NOT NULL, 
	boot_id TEXT NOT NULL, 
	boot_ms BIGINT NOT NULL, 
	wall_ms BIGINT NOT NULL, 
	position BIGINT NOT NULL
);
INSERT INTO "clock_check" VALUES(1,'store','199f6531-65bc-4924-a61f-a92be97965ec time:[4026531834]',3815755,1795803771261,0);
INSERT INTO "clock_check" VALUES(2,'store','199f6531-65bc-4924-a61f-a92be97965ec time:[4026531834]',3822126,1795803777633,13);
CREATE TABLE export_file (
	prefix TEXT NOT NULL, 
	name TEXT NOT NULL, 
	version TEXT NOT NULL, 
	PRIMARY KEY (prefix, name)
);
CREATE TABLE fulfillment_event (
	position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	event_id TEXT NOT NULL, 
	event_name TEXT NOT NULL, 
	logical_timestamp BIGINT NOT NULL, 
	received_at BIGINT NOT NULL, 
	body TEXT, 
	UNIQUE (event_id)
);
INSERT INTO "fulfillment_event" VALUES(1,'fulfillment_request.assigned:80e091cc-25f4-45e3-aedd-368ce82022fd:1','fulfillment_request.assigned',1,1795803772440,'{"tenant": "demo", "name": "fulfillment_request.assigned", "published_at": "2026-11-27T18:22:52.437Z", "payload": {"id": "80e091cc-25f4-45e3-aedd-368ce82022fd", "order_id": "07d2799a-e6bd-44b9-8e1a-e3595400b20f", "logical_timestamp": 1, "fulfillment_location_id": "DC01", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "50705222-5601-4f8a-976f-48fe5a175322", "product_id": "SKU-1"}, {"id": "ebb2175b-75ec-4225-9d7d-a24196d42d40", "product_id": "SKU-1"}]}}');
INSERT INTO "fulfillment_event" VALUES(2,'fulfillment_request.items_completed:80e091cc-25f4-45e3-aedd-368ce82022fd:2','fulfillment_request.items_completed',2,1795803772444,'{"tenant": "demo", "name": "fulfillment_request.items_completed", "published_at": "2026-11-27T18:22:52.439Z", "payload": {"id": "80e091cc-25f4-45e3-aedd-368ce82022fd", "order_id": "07d2799a-e6bd-44b9-8e1a-e3595400b20f", "logical_timestamp": 2, "fulfillment_location_id": "DC01", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "50705222-5601-4f8a-976f-48fe5a175322", "product_id": "SKU-1"}, {"id": "ebb2175b-75ec-4225-9d7d-a24196d42d40", "product_id": "SKU-1"}]}}');
INSERT INTO "fulfillment_event" VALUES(4,'fulfillment_request.items_completed:6afcb863-61d3-4828-ba6c-a5a9c6706252:6','fulfillment_request.items_completed',6,1795803773979,'{"tenant": "demo", "name": "fulfillment_request.items_completed", "published_at": "2026-11-27T18:22:53.970Z", "payload": {"id": "6afcb863-61d3-4828-ba6c-a5a9c6706252", "order_id": "7775902f-d99d-420f-b2c2-0f29d76ef5b9", "logical_timestamp": 6, "fulfillment_location_id": "NYC1", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "ed388013-b421-4755-b2e0-a18bf57e784f", "product_id": "SKU-1"}]}}');
INSERT INTO "fulfillment_event" VALUES(5,'fulfillment_request.items_completed:3d1c0f77-d747-4675-9080-e61af2dc2592:4','fulfillment_request.items_completed',4,1795803774912,'{"tenant": "demo", "name": "fulfillment_request.items_completed", "published_at": "2026-11-27T18:22:53.966Z", "payload": {"id": "3d1c0f77-d747-4675-9080-e61af2dc2592", "order_id": "8c20c126-2163-44c5-b216-c5cd4ecd7ac0", "logical_timestamp": 4, "fulfillment_location_id": "DC01", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "21835a08-0e77-4814-9741-99b1924f0142", "product_id": "SKU-2"}]}}');
INSERT INTO "fulfillment_event" VALUES(6,'fulfillment_request.assigned:3d1c0f77-d747-4675-9080-e61af2dc2592:3','fulfillment_request.assigned',3,1795803775849,'{"tenant": "demo", "name": "fulfillment_request.assigned", "published_at": "2026-11-27T18:22:53.964Z", "payload": {"id": "3d1c0f77-d747-4675-9080-e61af2dc2592", "order_id": "8c20c126-2163-44c5-b216-c5cd4ecd7ac0", "logical_timestamp": 3, "fulfillment_location_id": "DC01", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "21835a08-0e77-4814-9741-99b1924f0142", "product_id": "SKU-2"}]}}');
INSERT INTO "fulfillment_event" VALUES(8,'fulfillment_request.assigned:6afcb863-61d3-4828-ba6c-a5a9c6706252:5','fulfillment_request.assigned',5,1795803775859,'{"tenant": "demo", "name": "fulfillment_request.assigned", "published_at": "2026-11-27T18:22:53.969Z", "payload": {"id": "6afcb863-61d3-4828-ba6c-a5a9c6706252", "order_id": "7775902f-d99d-420f-b2c2-0f29d76ef5b9", "logical_timestamp": 5, "fulfillment_location_id": "NYC1", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "ed388013-b421-4755-b2e0-a18bf57e784f", "product_id": "SKU-1"}]}}');
INSERT INTO "fulfillment_event" VALUES(10,'fulfillment_request.assigned:0b8a4100-7ce3-49c4-9e6f-5a430ba8d5a1:7','fulfillment_request.assigned',7,1795803776654,'{"tenant": "demo", "name": "fulfillment_request.assigned", "published_at": "2026-11-27T18:22:56.651Z", "payload": {"id": "0b8a4100-7ce3-49c4-9e6f-5a430ba8d5a1", "order_id": "29ddf3f7-f5a8-401d-a25b-463913d6d167", "logical_timestamp": 7, "fulfillment_location_id": "NYC1", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "27fa88fc-9f9c-4567-9de5-067f3f67de5c", "product_id": "SKU-3"}]}}');
INSERT INTO "fulfillment_event" VALUES(11,'fulfillment_request.items_completed:0b8a4100-7ce3-49c4-9e6f-5a430ba8d5a1:8','fulfillment_request.items_completed',8,1795803776659,'{"tenant": "demo", "name": "fulfillment_request.items_completed", "published_at": "2026-11-27T18:22:56.654Z", "payload": {"id": "0b8a4100-7ce3-49c4-9e6f-5a430ba8d5a1", "order_id": "29ddf3f7-f5a8-401d-a25b-463913d6d167", "logical_timestamp": 8, "fulfillment_location_id": "NYC1", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "27fa88fc-9f9c-4567-9de5-067f3f67de5c", "product_id": "SKU-3"}]}}');
INSERT INTO "fulfillment_event" VALUES(12,'fulfillment_request.assigned:18dbbffe-120f-4496-8995-17e7bbf42bc3:9','fulfillment_request.assigned',9,1795803777187,'{"tenant": "demo", "name": "fulfillment_request.assigned", "published_at": "2026-11-27T18:22:57.184Z", "payload": {"id": "18dbbffe-120f-4496-8995-17e7bbf42bc3", "order_id": "ed40a5fa-4a8e-4e4a-9f2c-72bb4eaf5e0e", "logical_timestamp": 9, "fulfillment_location_id": "DC01", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "7d12f274-d697-4571-b0f0-37e14346dfdf", "product_id": "SKU-1"}]}}');
INSERT INTO "fulfillment_event" VALUES(13,'fulfillment_request.items_completed:18dbbffe-120f-4496-8995-17e7bbf42bc3:10','fulfillment_request.items_completed',10,1795803777190,'{"tenant": "demo", "name": "fulfillment_request.items_completed", "published_at": "2026-11-27T18:22:57.188Z", "payload": {"id": "18dbbffe-120f-4496-8995-17e7bbf42bc3", "order_id": "ed40a5fa-4a8e-4e4a-9f2c-72bb4eaf5e0e", "logical_timestamp": 10, "fulfillment_location_id": "DC01", "associate_id": null, "service_level": "STANDARD", "items": [{"id": "7d12f274-d697-4571-b0f0-37e14346dfdf", "product_id": "SKU-1"}]}}');
CREATE TABLE landing_store (
	store_id TEXT NOT NULL, 
	schema_version INTEGER NOT NULL, tenant TEXT, 
	PRIMARY KEY (store_id)
);
INSERT INTO "landing_store" VALUES('3093516c-9c66-4261-83d2-690ba7a9e514',3,'demo');
CREATE TABLE late_arrival (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	position BIGINT NOT NULL, 
	waited_ms BIGINT NOT NULL, 
	UNIQUE (position, waited_ms)
);
INSERT INTO "late_arrival" VALUES(1,5,0);
INSERT INTO "late_arrival" VALUES(2,6,0);
INSERT INTO "late_arrival" VALUES(3,8,0);
CREATE TABLE loss (
	evidence TEXT NOT NULL, 
	seen_at BIGINT NOT NULL, 
	since BIGINT NOT NULL, 
	audited_at BIGINT, 
	PRIMARY KEY (evidence)
);
CREATE TABLE pruning (
	id INTEGER NOT NULL, 
	completed_through BIGINT, completed_position BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "pruning" VALUES(1,NULL,NULL);
CREATE TABLE quarantine (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	received_at BIGINT NOT NULL, 
	path TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	body BLOB NOT NULL
, kind TEXT DEFAULT 'refused' NOT NULL, event_id TEXT, holes TEXT, bytes BIGINT DEFAULT '0' NOT NULL, line BIGINT, looked_at BIGINT);
INSERT INTO "quarantine" VALUES(1,1795803777735,'/events','body: JSON is malformed: invalid character (byte 4)',X'6E6F206576656E74','refused',NULL,NULL,8,NULL,NULL);
CREATE TABLE reader (
	reader_id TEXT NOT NULL, 
	through BIGINT NOT NULL, 
	position BIGINT NOT NULL, 
	seen_at BIGINT NOT NULL, 
	PRIMARY KEY (reader_id)
);
INSERT INTO "reader" VALUES('99358fe4-a1e2-4927-850a-083b7969bae5',6,8,1795892182242);
CREATE INDEX fulfillment_event_by_timestamp ON fulfillment_event (logical_timestamp, position);
CREATE INDEX clock_check_by_host ON clock_check (clock, boot_id, boot_ms);
CREATE INDEX quarantine_by_event ON quarantine (event_id);
CREATE INDEX quarantine_by_kind ON quarantine (kind);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('clock_check',2);
INSERT INTO "sqlite_sequence" VALUES('fulfillment_event',13);
INSERT INTO "sqlite_sequence" VALUES('late_arrival',3);
INSERT INTO "sqlite_sequence" VALUES('quarantine',1);
COMMIT;
