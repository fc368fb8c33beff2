CREATE TABLE "account_keys" (
	"tenant_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"value" text collate "C" NOT NULL,
	"account_id" text collate "C" NOT NULL,
	"proves" boolean NOT NULL,
	CONSTRAINT "account_keys_tenant_id_kind_value_account_id_pk" PRIMARY KEY("tenant_id","kind","value","account_id")
);
--> statement-breakpoint
ALTER TABLE "account_keys" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "account_reviews" (
	"tenant_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"account_id" text collate "C" NOT NULL,
	"state" text NOT NULL,
	"by" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "account_reviews_tenant_id_user_id_account_id_pk" PRIMARY KEY("tenant_id","user_id","account_id")
);
--> statement-breakpoint
ALTER TABLE "account_reviews" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "account_runs" (
	"tenant_id" uuid NOT NULL,
	"run" text collate "C" NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"posted" integer DEFAULT 0 NOT NULL,
	"gone" integer DEFAULT 0 NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "account_runs_tenant_id_run_pk" PRIMARY KEY("tenant_id","run")
);
--> statement-breakpoint
ALTER TABLE "account_runs" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "accounts" (
	"tenant_id" uuid NOT NULL,
	"account_id" text collate "C" NOT NULL,
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"version" bigint DEFAULT 0 NOT NULL,
	"user_id" uuid,
	"linked_at" timestamp (3) with time zone,
	"linked_by" text,
	"active" boolean NOT NULL,
	"posted_at" timestamp (3) with time zone NOT NULL,
	"merged_into" text collate "C",
	"external_id" text collate "C",
	"user_name" text,
	"display_name" text,
	"addresses" jsonb NOT NULL,
	"roles" text[],
	CONSTRAINT "accounts_tenant_id_account_id_pk" PRIMARY KEY("tenant_id","account_id")
);
--> statement-breakpoint
ALTER TABLE "accounts" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "tenant_domains" (
	"tenant_id" uuid NOT NULL,
	"environment_id" uuid NOT NULL,
	"domain" text collate "C" NOT NULL,
	"token" text NOT NULL,
	"verified_by" text,
	"verified_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "tenant_domains_tenant_id_domain_pk" PRIMARY KEY("tenant_id","domain")
);
--> statement-breakpoint
ALTER TABLE "tenant_domains" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "accounts_since" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "tenant_domains" ADD CONSTRAINT "tenant_domains_place" FOREIGN KEY ("environment_id","tenant_id") REFERENCES "public"."tenants"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "account_keys_account" ON "account_keys" USING btree ("tenant_id","account_id");--> statement-breakpoint
CREATE INDEX "account_reviews_account" ON "account_reviews" USING btree ("tenant_id","account_id");--> statement-breakpoint
CREATE INDEX "account_reviews_waiting" ON "account_reviews" USING btree ("tenant_id","user_id","account_id") WHERE state = 'waiting';--> statement-breakpoint
CREATE UNIQUE INDEX "accounts_user" ON "accounts" USING btree ("tenant_id","user_id");--> statement-breakpoint
CREATE UNIQUE INDEX "tenant_domains_verified" ON "tenant_domains" USING btree ("environment_id","domain") WHERE verified_at is not null;--> statement-breakpoint
CREATE POLICY "tenants_own" ON "account_keys" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "account_reviews" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "account_runs" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "accounts" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "tenant_domains" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);