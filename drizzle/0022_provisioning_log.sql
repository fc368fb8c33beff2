CREATE TABLE "request_log" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"operation" text collate "C" NOT NULL,
	"status" smallint NOT NULL,
	"key_id" text collate "C" NOT NULL,
	"terms" text[] NOT NULL,
	"entry" text NOT NULL,
	"bodies" text,
	CONSTRAINT "request_log_tenant_id_id_pk" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
ALTER TABLE "request_log" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "request_terms" (
	"tenant_id" uuid NOT NULL,
	"term" text collate "C" NOT NULL,
	"id" uuid NOT NULL,
	CONSTRAINT "request_terms_tenant_id_term_id_pk" PRIMARY KEY("tenant_id","term","id")
);
--> statement-breakpoint
ALTER TABLE "request_terms" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE INDEX "request_log_kind" ON "request_log" USING btree ("tenant_id","operation","status","key_id","id");--> statement-breakpoint
CREATE POLICY "tenants_own" ON "request_log" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "request_terms" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
-- By hand: most rows have some kilobytes. They stay whole and in their page, since to compress each would cost more than to write it.
ALTER TABLE "request_log" SET (toast_tuple_target = 8160);
