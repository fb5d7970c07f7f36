BEGIN TRANSACTION;
CREATE TABLE ahead_unit (
	fulfillment_node_id TEXT NOT NULL, 
	product_id TEXT NOT NULL, 
	logical_timestamp BIGINT NOT NULL, 
	event_id TEXT NOT NULL, 
	units INTEGER NOT NULL, published_at BIGINT, fulfillment_request_id TEXT, order_id TEXT, booked INTEGER DEFAULT '0' NOT NULL, run INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY (fulfillment_node_id, product_id, logical_timestamp, event_id)
)
 WITHOUT ROWID

;
CREATE TABLE completed_unit (
	fulfillment_node_id TEXT NOT NULL, 
	product_id TEXT NOT NULL, 
	logical_timestamp BIGINT NOT NULL, 
	event_id TEXT NOT NULL, 
	units INTEGER NOT NULL, 
	late BOOLEAN NOT NULL, 
	run INTEGER NOT NULL, 
	cut INTEGER, published_at BIGINT, fulfillment_request_id TEXT, order_id TEXT, booked INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY (fulfillment_node_id, product_id, logical_timestamp, event_id)
)
 WITHOUT ROWID

;
INSERT INTO "completed_unit" VALUES('DC01','SKU-1',10,'fulfillment_request.items_completed:18dbbffe-120f-4496-8995-17e7bbf42bc3:10',1,0,0,7,NULL,NULL,NULL,0);
INSERT INTO "completed_unit" VALUES('DC01','SKU-2',4,'fulfillment_request.items_completed:3d1c0f77-d747-4675-9080-e61af2dc2592:4',1,1,5,4,NULL,NULL,NULL,0);
INSERT INTO "completed_unit" VALUES('NYC1','SKU-1',6,'fulfillment_request.items_completed:6afcb863-61d3-4828-ba6c-a5a9c6706252:6',1,0,4,3,NULL,NULL,NULL,0);
INSERT INTO "completed_unit" VALUES('NYC1','SKU-3',8,'fulfillment_request.items_completed:0b8a4100-7ce3-49c4-9e6f-5a430ba8d5a1:8',1,0,7,7,NULL,NULL,NULL,0);
CREATE TABLE cut (
	cut INTEGER NOT NULL, 
	run INTEGER NOT NULL, 
	logical_timestamp_start BIGINT, 
	logical_timestamp_end BIGINT, 
	mark BIGINT, 
	size BIGINT NOT NULL, 
	PRIMARY KEY (cut)
);
INSERT INTO "cut" VALUES(1,1,NULL,NULL,NULL,4);
INSERT INTO "cut" VALUES(2,2,2,2,2,1);
INSERT INTO "cut" VALUES(3,4,6,6,6,1);
INSERT INTO "cut" VALUES(4,5,4,4,6,1);
INSERT INTO "cut" VALUES(5,7,8,8,8,1);
INSERT INTO "cut" VALUES(6,8,8,8,8,1);
INSERT INTO "cut" VALUES(7,9,8,10,10,2);
CREATE TABLE cut_item (
	cut INTEGER NOT NULL, 
	fulfillment_node_id TEXT NOT NULL, 
	product_id TEXT NOT NULL, 
	quantity BIGINT NOT NULL, 
	on_hand BIGINT NOT NULL, 
	as_of_logical_timestamp BIGINT, 
	completed BIGINT NOT NULL, 
	added_back BIGINT NOT NULL, vanished BOOLEAN DEFAULT 0 NOT NULL, 
	PRIMARY KEY (cut, fulfillment_node_id, product_id)
)
 WITHOUT ROWID

;
INSERT INTO "cut_item" VALUES(3,'NYC1','SKU-1',4,5,NULL,1,0,0);
INSERT INTO "cut_item" VALUES(4,'DC01','SKU-2',7,8,NULL,1,0,0);
INSERT INTO "cut_item" VALUES(5,'NYC1','SKU-3',3,4,NULL,1,0,0);
INSERT INTO "cut_item" VALUES(6,'NYC1','SKU-3',3,4,NULL,1,0,0);
INSERT INTO "cut_item" VALUES(7,'DC01','SKU-1',7,8,2,1,0,0);
INSERT INTO "cut_item" VALUES(7,'NYC1','SKU-3',3,4,NULL,1,0,0);
CREATE TABLE folded (
	fulfillment_node_id TEXT NOT NULL, 
	product_id TEXT NOT NULL, 
	units BIGINT NOT NULL, 
	through BIGINT NOT NULL, published_through BIGINT, 
	PRIMARY KEY (fulfillment_node_id, product_id)
)
 WITHOUT ROWID

;
INSERT INTO "folded" VALUES('DC01','SKU-1',2,2,NULL);
CREATE TABLE folded_booking (
	reference TEXT NOT NULL, 
	fulfillment_node_id TEXT NOT NULL, 
	product_id TEXT NOT NULL, 
	units BIGINT NOT NULL, 
	unlisted_run INTEGER, 
	PRIMARY KEY (reference, fulfillment_node_id, product_id)
)
 WITHOUT ROWID

;
CREATE TABLE folded_unit (
	hash INTEGER NOT NULL, 
	PRIMARY KEY (hash)
);
CREATE TABLE held_key (
	fulfillment_node_id TEXT NOT NULL, 
	product_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	since TEXT NOT NULL, 
	PRIMARY KEY (fulfillment_node_id, product_id)
)
 WITHOUT ROWID

;
CREATE TABLE late_unit (
	fulfillment_node_id TEXT NOT NULL, 
	product_id TEXT NOT NULL, 
	logical_timestamp BIGINT NOT NULL, 
	event_id TEXT NOT NULL, 
	quantity BIGINT, 
	as_of_logical_timestamp BIGINT, 
	PRIMARY KEY (fulfillment_node_id, product_id, logical_timestamp, event_id)
)
 WITHOUT ROWID

;
INSERT INTO "late_unit" VALUES('DC01','SKU-2',4,'fulfillment_request.items_completed:3d1c0f77-d747-4675-9080-e61af2dc2592:4',8,NULL);
CREATE TABLE ledger (
	schema_version INTEGER NOT NULL, 
	ledger_id TEXT NOT NULL, 
	horizon BIGINT, 
	folded_at TEXT, 
	erp_is_current BOOLEAN, 
	on_hand_cursor TEXT, 
	PRIMARY KEY (schema_version)
);
INSERT INTO "ledger" VALUES(4,'338650d92bc9421f9f8c03efe15bcdd8',2,'2026-11-28T18:56:22+00:00',0,NULL);
CREATE TABLE on_hand (
	fulfillment_node_id TEXT NOT NULL, 
	product_id TEXT NOT NULL, 
	quantity BIGINT NOT NULL, 
	as_of_logical_timestamp BIGINT, 
	changed_run INTEGER NOT NULL, 
	sent_quantity BIGINT, 
	sent_cut INTEGER, taken_at BIGINT, source TEXT DEFAULT '' NOT NULL, absence TEXT DEFAULT '' NOT NULL, 
	PRIMARY KEY (fulfillment_node_id, product_id)
)
 WITHOUT ROWID

;
INSERT INTO "on_hand" VALUES('DC01','SKU-1',8,2,3,7,7,NULL,'','');
INSERT INTO "on_hand" VALUES('DC01','SKU-2',8,NULL,1,7,4,NULL,'','');
INSERT INTO "on_hand" VALUES('NYC1','SKU-1',5,NULL,1,4,3,NULL,'','');
INSERT INTO "on_hand" VALUES('NYC1','SKU-3',4,NULL,1,3,7,NULL,'','');
CREATE TABLE run (
	run INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	run_id TEXT NOT NULL, 
	host TEXT NOT NULL, 
	process INTEGER NOT NULL, 
	started_at TEXT NOT NULL, 
	taken_through BIGINT, 
	taken_position BIGINT, 
	taken_store_id TEXT, 
	acknowledged_cut INTEGER
);
INSERT INTO "run" VALUES(1,'c174d788dccb','vm',25571,'2026-11-27T18:22:52+00:00',NULL,0,'3093516c-9c66-4261-83d2-690ba7a9e514',0);
INSERT INTO "run" VALUES(2,'de3cfd2b1b3e','vm',25575,'2026-11-27T18:22:53+00:00',2,2,'3093516c-9c66-4261-83d2-690ba7a9e514',1);
INSERT INTO "run" VALUES(3,'8e643b885032','vm',25578,'2026-11-27T18:22:53+00:00',2,2,'3093516c-9c66-4261-83d2-690ba7a9e514',2);
INSERT INTO "run" VALUES(4,'c03ce8bcca0d','vm',25581,'2026-11-27T18:22:54+00:00',6,4,'3093516c-9c66-4261-83d2-690ba7a9e514',2);
INSERT INTO "run" VALUES(5,'2fc77b7737d0','vm',25647,'2026-11-27T18:22:55+00:00',6,5,'3093516c-9c66-4261-83d2-690ba7a9e514',3);
INSERT INTO "run" VALUES(6,'e6c6bf6ed238','vm',25770,'2026-11-27T18:22:56+00:00',6,8,'3093516c-9c66-4261-83d2-690ba7a9e514',4);
INSERT INTO "run" VALUES(7,'05ccd9a0763f','vm',25773,'2026-11-27T18:22:57+00:00',8,11,'3093516c-9c66-4261-83d2-690ba7a9e514',4);
INSERT INTO "run" VALUES(8,'3eb10034d8af','vm',25775,'2026-11-27T18:22:57+00:00',6,13,'3093516c-9c66-4261-83d2-690ba7a9e514',4);
INSERT INTO "run" VALUES(9,'0036300909a3','vm',7679,'2026-11-28T18:56:22+00:00',10,13,'3093516c-9c66-4261-83d2-690ba7a9e514',4);
CREATE TABLE source (
	name TEXT NOT NULL, 
	proof TEXT, 
	cursor TEXT, 
	read_run INTEGER, 
	taken_at BIGINT, 
	full_read_at BIGINT, 
	list TEXT, 
	PRIMARY KEY (name)
);
INSERT INTO "source" VALUES('','{"form":"column","skew_ms":0,"taken_at":null,"contained_through":null,"known_by":"","known_run":null}',NULL,9,1795892182687,1795892182687,NULL);
CREATE TABLE standing_unit (
	fulfillment_node_id TEXT NOT NULL, 
	product_id TEXT NOT NULL, 
	logical_timestamp BIGINT NOT NULL, 
	event_id TEXT NOT NULL, 
	units BIGINT NOT NULL, 
	PRIMARY KEY (fulfillment_node_id, product_id, logical_timestamp, event_id)
)
 WITHOUT ROWID

;
CREATE TABLE unclaimed (
	logical_timestamp BIGINT NOT NULL, 
	PRIMARY KEY (logical_timestamp)
);
CREATE TABLE unknown_past (
	through BIGINT NOT NULL
, some_late BOOLEAN DEFAULT 0 NOT NULL);
CREATE INDEX absent_row ON on_hand (absence) WHERE absence != '';
CREATE VIEW runs AS SELECT r.run, r.started_at, r.host, r.process, r.taken_through, r.acknowledged_cut, min(c.cut) AS first_cut, max(c.cut) AS last_cut, coalesce(sum(c.size), 0) AS records FROM run AS r LEFT JOIN cut AS c ON c.run = r.run GROUP BY r.run, r.started_at, r.host, r.process, r.taken_through, r.acknowledged_cut;
CREATE VIEW changes AS SELECT i.fulfillment_node_id, i.product_id, i.cut, c.run, r.started_at, i.on_hand, i.as_of_logical_timestamp, c.mark, i.completed, i.added_back, i.quantity, c.logical_timestamp_start, c.logical_timestamp_end, i.vanished FROM cut_item AS i JOIN cut AS c ON c.cut = i.cut JOIN run AS r ON r.run = c.run;
CREATE VIEW held AS SELECT fulfillment_node_id, product_id, kind, reason, since FROM held_key;
CREATE VIEW latest AS SELECT o.fulfillment_node_id, o.product_id, o.quantity AS on_hand, o.as_of_logical_timestamp, o.sent_quantity AS quantity, o.sent_cut AS cut, c.mark, r.started_at AS sent_at FROM on_hand AS o LEFT JOIN cut AS c ON c.cut = o.sent_cut LEFT JOIN run AS r ON r.run = c.run;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('run',9);
COMMIT;
