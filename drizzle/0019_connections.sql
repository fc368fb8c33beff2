CREATE TABLE "connections" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"environment_id" uuid NOT NULL,
	"client" text,
	"provider" text,
	"first_request_at" timestamp (3) with time zone,
	"last_request_at" timestamp (3) with time zone DEFAULT 'epoch' NOT NULL,
	"day" date DEFAULT '1970-01-01' NOT NULL,
	"requests" integer DEFAULT 0 NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"users" integer DEFAULT 0 NOT NULL,
	"failing_since" timestamp (3) with time zone,
	"failed_in_a_row" integer DEFAULT 0 NOT NULL,
	"last_failure" smallint,
	"rhythm" jsonb,
	"state" text DEFAULT 'well' NOT NULL,
	"since" timestamp (3) with time zone,
	"due_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "connections" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE INDEX "connections_last_request" ON "connections" USING btree ("environment_id","last_request_at","tenant_id");--> statement-breakpoint
CREATE INDEX "connections_failures" ON "connections" USING btree ("environment_id","day","failures","tenant_id");--> statement-breakpoint
CREATE INDEX "connections_users" ON "connections" USING btree ("environment_id","users","tenant_id");--> statement-breakpoint
CREATE INDEX "connections_trouble" ON "connections" USING btree ("environment_id","tenant_id") WHERE state <> 'well';--> statement-breakpoint
CREATE INDEX "connections_due" ON "connections" USING btree ("due_at") WHERE due_at is not null;--> statement-breakpoint
CREATE INDEX "tenants_seats" ON "tenants" USING btree ("environment_id","id") WHERE seats_ran_out;--> statement-breakpoint
CREATE INDEX "tenants_name" ON "tenants" USING btree ("environment_id",(lower("name") collate "C"),"id");--> statement-breakpoint
CREATE POLICY "tenants_own" ON "connections" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
-- Tenants that are there already: their own keys know when they were used last, and by whom.
INSERT INTO "connections" ("tenant_id", "environment_id", "client", "first_request_at", "last_request_at")
SELECT t."id", t."environment_id", u."client", u."at", coalesce(u."at", 'epoch') FROM "tenants" t LEFT JOIN LATERAL (
  SELECT s."last_used_at" AS "at", s."last_used_by" AS "client" FROM "api_keys" k
  JOIN "api_key_secrets" s ON s."key_id" = k."id"
  WHERE k."tenant_id" = t."id" AND k."user_id" IS NULL AND 'scim:write' = ANY(k."permissions") AND s."last_used_at" IS NOT NULL
  ORDER BY s."last_used_at" DESC LIMIT 1
) u ON true;
