CREATE TABLE "histories" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"environment_id" uuid NOT NULL,
	"phase" text NOT NULL,
	"position" bigint NOT NULL,
	"numbers" integer DEFAULT 0 NOT NULL,
	"part" text,
	"after" text,
	"begun_at" timestamp (3) with time zone NOT NULL,
	"target" bigint,
	"started_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	"gaps" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"oldest_end" timestamp (3) with time zone,
	"due_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "histories" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "history_grants" (
	"tenant_id" uuid NOT NULL,
	"from_position" bigint NOT NULL,
	"to_position" bigint,
	"from_at" timestamp (3) with time zone NOT NULL,
	"to_at" timestamp (3) with time zone,
	"object" integer NOT NULL,
	"subject" integer NOT NULL,
	"from_request" text,
	"from_actor" text,
	"to_request" text,
	"to_actor" text,
	CONSTRAINT "history_grants_tenant_id_object_subject_from_position_pk" PRIMARY KEY("tenant_id","object","subject","from_position")
);
--> statement-breakpoint
ALTER TABLE "history_grants" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "history_keys" (
	"kid" text PRIMARY KEY NOT NULL,
	"public_jwk" jsonb NOT NULL,
	"signed_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "history_states" (
	"tenant_id" uuid NOT NULL,
	"from_position" bigint NOT NULL,
	"to_position" bigint,
	"from_at" timestamp (3) with time zone NOT NULL,
	"to_at" timestamp (3) with time zone,
	"number" integer NOT NULL,
	"active" boolean,
	"from_request" text,
	"from_actor" text,
	"to_request" text,
	"to_actor" text,
	"name" text NOT NULL,
	CONSTRAINT "history_states_tenant_id_number_from_position_pk" PRIMARY KEY("tenant_id","number","from_position")
);
--> statement-breakpoint
ALTER TABLE "history_states" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "history_subjects" (
	"tenant_id" uuid NOT NULL,
	"number" integer NOT NULL,
	"kind" text,
	"ref" uuid,
	CONSTRAINT "history_subjects_tenant_id_number_pk" PRIMARY KEY("tenant_id","number")
);
--> statement-breakpoint
ALTER TABLE "history_subjects" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "history_switches" (
	"environment_id" uuid PRIMARY KEY NOT NULL,
	"after" uuid
);
--> statement-breakpoint
CREATE TABLE "waiting_histories" (
	"tenant_id" uuid NOT NULL,
	"position" bigint NOT NULL,
	CONSTRAINT "waiting_histories_tenant_id_position_pk" PRIMARY KEY("tenant_id","position")
);
--> statement-breakpoint
ALTER TABLE "waiting_histories" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE INDEX "histories_beginning" ON "histories" USING btree ("tenant_id") WHERE phase <> 'following' and ended_at is null;--> statement-breakpoint
CREATE INDEX "histories_oldest" ON "histories" USING btree ("environment_id","oldest_end","tenant_id") WHERE oldest_end is not null;--> statement-breakpoint
CREATE INDEX "history_grants_subject" ON "history_grants" USING btree ("tenant_id","subject","object","from_position");--> statement-breakpoint
CREATE INDEX "history_grants_end" ON "history_grants" USING btree ("tenant_id","to_at") WHERE to_at is not null;--> statement-breakpoint
CREATE INDEX "history_states_end" ON "history_states" USING btree ("tenant_id","to_at") WHERE to_at is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "history_subjects_ref" ON "history_subjects" USING btree ("tenant_id","ref");--> statement-breakpoint
CREATE POLICY "tenants_own" ON "histories" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "history_grants" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "history_states" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "history_subjects" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "waiting_histories" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);