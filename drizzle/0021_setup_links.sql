CREATE TABLE "setup_links" (
	"id" text PRIMARY KEY NOT NULL,
	"project_id" uuid NOT NULL,
	"environment_id" uuid NOT NULL,
	"tenant_id" uuid NOT NULL,
	"name" text NOT NULL,
	"hash" text NOT NULL,
	"made_by" text NOT NULL,
	"identity_provider" text,
	"most_visitors" integer NOT NULL,
	"visitors" integer DEFAULT 0 NOT NULL,
	"visited_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	CONSTRAINT "setup_links_tenant" UNIQUE("tenant_id","id")
);
--> statement-breakpoint
ALTER TABLE "setup_links" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "setup_visits" (
	"tenant_id" uuid NOT NULL,
	"link_id" text NOT NULL,
	"id" uuid NOT NULL,
	"ends_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "setup_visits_tenant_id_link_id_id_pk" PRIMARY KEY("tenant_id","link_id","id")
);
--> statement-breakpoint
ALTER TABLE "setup_visits" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "setup_link_id" text;--> statement-breakpoint
ALTER TABLE "setup_links" ADD CONSTRAINT "setup_links_environment" FOREIGN KEY ("project_id","environment_id") REFERENCES "public"."environments"("project_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "setup_links" ADD CONSTRAINT "setup_links_place" FOREIGN KEY ("environment_id","tenant_id") REFERENCES "public"."tenants"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "setup_visits" ADD CONSTRAINT "setup_visits_of_link" FOREIGN KEY ("tenant_id","link_id") REFERENCES "public"."setup_links"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE POLICY "tenants_own" ON "setup_links" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "setup_visits" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);