CREATE TABLE "event_positions" (
	"tenant_id" uuid NOT NULL,
	"position" bigint NOT NULL,
	"seq" bigint NOT NULL,
	CONSTRAINT "event_positions_tenant_id_position_pk" PRIMARY KEY("tenant_id","position")
);
--> statement-breakpoint
ALTER TABLE "event_positions" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
CREATE TABLE "held_events" (
	"tenant_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"resource_id" uuid NOT NULL,
	CONSTRAINT "held_events_tenant_id_seq_pk" PRIMARY KEY("tenant_id","seq")
);
--> statement-breakpoint
ALTER TABLE "held_events" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
CREATE TABLE "waiting_events" (
	"tenant_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"resource_type" text NOT NULL,
	"total_delta" smallint NOT NULL,
	"active_delta" smallint NOT NULL,
	CONSTRAINT "waiting_events_tenant_id_seq_pk" PRIMARY KEY("tenant_id","seq")
);
--> statement-breakpoint
ALTER TABLE "waiting_events" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "total_delta" smallint DEFAULT 0 NOT NULL;
--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "active_delta" smallint DEFAULT 0 NOT NULL;
--> statement-breakpoint
ALTER TABLE "resource_counts" ADD COLUMN "total" integer DEFAULT 0 NOT NULL;
--> statement-breakpoint
ALTER TABLE "resource_counts" ADD COLUMN "active" integer DEFAULT 0 NOT NULL;
--> statement-breakpoint
-- What is stored of 0.1.0 moves: positions, events that have none yet, events that are held, and the counts.
INSERT INTO "event_positions" ("tenant_id", "position", "seq")
SELECT "tenant_id", "position", "seq" FROM "events" WHERE "position" IS NOT NULL ORDER BY "tenant_id", "position";
--> statement-breakpoint
INSERT INTO "held_events" ("tenant_id", "seq", "resource_id")
SELECT "tenant_id", "seq", "resource_id" FROM "events" WHERE "position" IS NULL AND "held";
--> statement-breakpoint
INSERT INTO "waiting_events" ("tenant_id", "seq", "resource_type", "total_delta", "active_delta")
SELECT "tenant_id", "seq", "resource_type", 0, 0 FROM "events" WHERE "position" IS NULL AND NOT "held";
--> statement-breakpoint
WITH "gone" AS (DELETE FROM "resource_counts" RETURNING "tenant_id", "resource_type", "delta", "active_delta")
INSERT INTO "resource_counts" ("tenant_id", "resource_type", "delta", "total", "active")
SELECT "tenant_id", "resource_type", 0, sum("delta"), sum("active_delta") FROM "gone" GROUP BY "tenant_id", "resource_type";
--> statement-breakpoint
DROP INDEX "events_position";
--> statement-breakpoint
DROP INDEX "events_unstamped";
--> statement-breakpoint
DROP INDEX "events_held";
--> statement-breakpoint
DROP INDEX "events_held_resource";
--> statement-breakpoint
ALTER TABLE "resource_counts" DROP CONSTRAINT "resource_counts_tenant_id_resource_type_id_pk";
--> statement-breakpoint
CREATE INDEX "held_events_resource" ON "held_events" USING btree ("tenant_id","resource_id","seq");
--> statement-breakpoint
ALTER TABLE "events" DROP COLUMN "position";
--> statement-breakpoint
ALTER TABLE "events" DROP COLUMN "held";
--> statement-breakpoint
ALTER TABLE "resource_counts" DROP COLUMN "id";
--> statement-breakpoint
ALTER TABLE "resource_counts" DROP COLUMN "delta";
--> statement-breakpoint
ALTER TABLE "resource_counts" DROP COLUMN "active_delta";
--> statement-breakpoint
CREATE POLICY "tenants_own" ON "event_positions" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);
--> statement-breakpoint
CREATE POLICY "tenants_own" ON "held_events" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);
--> statement-breakpoint
CREATE POLICY "tenants_own" ON "waiting_events" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);
--> statement-breakpoint
ALTER TABLE "resource_counts" ADD CONSTRAINT "resource_counts_tenant_id_resource_type_pk" PRIMARY KEY("tenant_id","resource_type");
--> statement-breakpoint
ALTER TABLE "resource_counts" ALTER COLUMN "total" DROP DEFAULT;
--> statement-breakpoint
ALTER TABLE "resource_counts" ALTER COLUMN "active" DROP DEFAULT;
--> statement-breakpoint
-- Rows that are changed over and over need room beside them, and their indexes are then left alone.
ALTER TABLE "resource_counts" SET (fillfactor = 50);
--> statement-breakpoint
ALTER TABLE "event_logs" SET (fillfactor = 50);
--> statement-breakpoint
-- A queue: vacuumed as soon as it is worth it, and never shortened, for which writers would have to wait.
ALTER TABLE "waiting_events" SET (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, vacuum_truncate = off);
