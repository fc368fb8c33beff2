CREATE TABLE "role_rule_work" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"environment_id" uuid NOT NULL,
	"generation" integer DEFAULT 1 NOT NULL,
	"waits" boolean NOT NULL,
	"ending" boolean DEFAULT false NOT NULL,
	"after" uuid,
	"groups" integer,
	"groups_done" integer DEFAULT 0 NOT NULL,
	"actor" text NOT NULL,
	"request_id" text NOT NULL,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"due_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"small" boolean DEFAULT false NOT NULL,
	"problem" text,
	"finished_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "tenant_versions" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"version" bigint NOT NULL
);
--> statement-breakpoint
ALTER TABLE "environments" ADD COLUMN "ends_roles" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "ends_roles" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "role_rule_work_due" ON "role_rule_work" USING btree ("due_at") WHERE finished_at is null;--> statement-breakpoint
CREATE INDEX "role_rule_work_environment" ON "role_rule_work" USING btree ("environment_id","finished_at");--> statement-breakpoint
CREATE INDEX "environments_ends_roles" ON "environments" USING btree ("id") WHERE ends_roles;