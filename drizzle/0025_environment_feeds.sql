CREATE TABLE "environment_feeds" (
	"environment_id" uuid PRIMARY KEY NOT NULL,
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"head" bigint DEFAULT 0 NOT NULL,
	"trimmed" bigint DEFAULT 0 NOT NULL,
	"complete" boolean DEFAULT false NOT NULL
);
--> statement-breakpoint
ALTER TABLE "environment_feeds" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "feed_stretches" (
	"environment_id" uuid NOT NULL,
	"place" bigint NOT NULL,
	"tenant_id" uuid NOT NULL,
	"position" bigint NOT NULL,
	"size" bigint NOT NULL,
	"placed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "feed_stretches_environment_id_place_pk" PRIMARY KEY("environment_id","place")
);
--> statement-breakpoint
ALTER TABLE "feed_stretches" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "waiting_stretches" (
	"tenant_id" uuid NOT NULL,
	"position" bigint NOT NULL,
	"size" bigint NOT NULL,
	CONSTRAINT "waiting_stretches_tenant_id_position_pk" PRIMARY KEY("tenant_id","position")
);
--> statement-breakpoint
ALTER TABLE "waiting_stretches" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "event_logs" ADD COLUMN "fed" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "environment_feeds" ADD CONSTRAINT "environment_feeds_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE POLICY "tenants_own" ON "environment_feeds" AS PERMISSIVE FOR ALL TO public USING (environment_id = (select t.environment_id from tenants t where t.id = nullif(current_setting('rollcall.tenant', true), '')::uuid));--> statement-breakpoint
CREATE POLICY "tenants_own" ON "feed_stretches" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "waiting_stretches" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
-- By hand: rows that change often keep room for it, and the small table is cleaned early, as those of numbering are.
ALTER TABLE "environment_feeds" SET (fillfactor = 50);--> statement-breakpoint
ALTER TABLE "waiting_stretches" SET (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, vacuum_truncate = off);
