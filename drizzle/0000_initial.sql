CREATE TABLE "api_key_public_keys" (
	"key_id" text NOT NULL,
	"thumbprint" text NOT NULL,
	"jwk" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"last_used_at" timestamp (3) with time zone,
	"last_used_by" text,
	CONSTRAINT "api_key_public_keys_key_id_thumbprint_pk" PRIMARY KEY("key_id","thumbprint")
);
--> statement-breakpoint
CREATE TABLE "api_key_secrets" (
	"key_id" text NOT NULL,
	"version" integer NOT NULL,
	"hash" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"ends_at" timestamp (3) with time zone,
	"ends_on_use" boolean DEFAULT false NOT NULL,
	"last_used_at" timestamp (3) with time zone,
	"last_used_by" text,
	CONSTRAINT "api_key_secrets_key_id_version_pk" PRIMARY KEY("key_id","version")
);
--> statement-breakpoint
CREATE TABLE "api_keys" (
	"id" text PRIMARY KEY NOT NULL,
	"project_id" uuid,
	"environment_id" uuid,
	"tenant_id" uuid,
	"user_id" uuid,
	"name" text NOT NULL,
	"permissions" text[] NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	"warned_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "audit_entries" (
	"seq" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "audit_entries_seq_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"project_id" uuid,
	"environment_id" uuid,
	"tenant_id" uuid,
	"target_id" text NOT NULL,
	"target_name" text NOT NULL,
	"before" jsonb,
	"after" jsonb,
	"address" text,
	"request_id" text
);
--> statement-breakpoint
CREATE TABLE "control_revision" (
	"id" integer PRIMARY KEY DEFAULT 1 NOT NULL,
	"revision" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "deferred_members" (
	"tenant_id" uuid NOT NULL,
	"group_id" uuid NOT NULL,
	"value" text collate "C" NOT NULL,
	"display" text,
	CONSTRAINT "deferred_members_tenant_id_group_id_value_pk" PRIMARY KEY("tenant_id","group_id","value")
);
--> statement-breakpoint
CREATE TABLE "environments" (
	"id" uuid PRIMARY KEY NOT NULL,
	"project_id" uuid NOT NULL,
	"key" text NOT NULL,
	"key_folded" text collate "C" NOT NULL,
	"name" text NOT NULL,
	"settings" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"paused" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "event_logs" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"head" bigint DEFAULT 0 NOT NULL,
	"trimmed" bigint DEFAULT 0 NOT NULL,
	"hold_id" uuid,
	"held_since" timestamp (3) with time zone,
	"held_until" timestamp (3) with time zone,
	"released_at" timestamp (3) with time zone,
	"leavers_from" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "events" (
	"tenant_id" uuid NOT NULL,
	"seq" bigint GENERATED ALWAYS AS IDENTITY (sequence name "events_seq_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"position" bigint,
	"type" text NOT NULL,
	"resource_type" text NOT NULL,
	"resource_id" uuid NOT NULL,
	"version" bigint NOT NULL,
	"request_id" text NOT NULL,
	"actor" text NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"changes" text NOT NULL,
	"held" boolean DEFAULT false NOT NULL,
	CONSTRAINT "events_tenant_id_seq_pk" PRIMARY KEY("tenant_id","seq")
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"actor" text NOT NULL,
	"key" text NOT NULL,
	"fingerprint" text NOT NULL,
	"status" integer NOT NULL,
	"location" text,
	"body" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_keys_actor_key_pk" PRIMARY KEY("actor","key")
);
--> statement-breakpoint
CREATE TABLE "instance_secrets" (
	"name" text PRIMARY KEY NOT NULL,
	"secret" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "kept_users" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"unique_key" text collate "C" NOT NULL,
	"external_id" text collate "C",
	"emails" text[] NOT NULL,
	"version" bigint NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"kept_until" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "kept_users_tenant_id_id_pk" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
CREATE TABLE "memberships" (
	"tenant_id" uuid NOT NULL,
	"group_id" uuid NOT NULL,
	"member_id" uuid NOT NULL,
	"display" text,
	"display_key" text collate "C",
	CONSTRAINT "memberships_tenant_id_group_id_member_id_pk" PRIMARY KEY("tenant_id","group_id","member_id")
);
--> statement-breakpoint
CREATE TABLE "projects" (
	"id" uuid PRIMARY KEY NOT NULL,
	"key" text NOT NULL,
	"key_folded" text collate "C" NOT NULL,
	"name" text NOT NULL,
	"paused" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "resource_counts" (
	"tenant_id" uuid NOT NULL,
	"resource_type" text NOT NULL,
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "resource_counts_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"delta" integer NOT NULL,
	"active_delta" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "resource_counts_tenant_id_resource_type_id_pk" PRIMARY KEY("tenant_id","resource_type","id")
);
--> statement-breakpoint
CREATE TABLE "resource_keys" (
	"tenant_id" uuid NOT NULL,
	"resource_type" text NOT NULL,
	"attribute" text NOT NULL,
	"key" text collate "C" NOT NULL,
	"resource_id" uuid NOT NULL,
	"is_unique" boolean NOT NULL,
	CONSTRAINT "resource_keys_pk" PRIMARY KEY("tenant_id","resource_type","attribute","key","resource_id")
);
--> statement-breakpoint
CREATE TABLE "resources" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"resource_type" text NOT NULL,
	"version" bigint DEFAULT 1 NOT NULL,
	"external_id" text collate "C",
	"unique_key" text collate "C",
	"display_key" text collate "C",
	"label" text,
	"active" boolean,
	"manager_id" uuid,
	"document" text NOT NULL,
	"search" jsonb NOT NULL,
	"password_hash" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"modified_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "resources_tenant_id_id_pk" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
CREATE TABLE "role_bindings" (
	"tenant_id" uuid NOT NULL,
	"group_id" uuid NOT NULL,
	"role_id" uuid NOT NULL,
	"rule" text NOT NULL,
	CONSTRAINT "role_bindings_tenant_id_group_id_role_id_rule_pk" PRIMARY KEY("tenant_id","group_id","role_id","rule")
);
--> statement-breakpoint
CREATE TABLE "roles" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"key" text collate "C" NOT NULL,
	"version" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "roles_tenant_id_id_pk" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
CREATE TABLE "schema_definitions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"environment_id" uuid NOT NULL,
	"tenant_id" uuid,
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"name_folded" text collate "C" NOT NULL,
	"definition" jsonb NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "schema_definitions_name" UNIQUE NULLS NOT DISTINCT("environment_id","tenant_id","kind","name_folded")
);
--> statement-breakpoint
CREATE TABLE "signing_keys" (
	"generation" integer PRIMARY KEY NOT NULL,
	"kid" text NOT NULL,
	"public_jwk" jsonb NOT NULL,
	"sealed" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tenants" (
	"id" uuid PRIMARY KEY NOT NULL,
	"environment_id" uuid NOT NULL,
	"key" text NOT NULL,
	"key_folded" text collate "C" NOT NULL,
	"name" text NOT NULL,
	"settings" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"paused" boolean DEFAULT false NOT NULL,
	"version" bigint DEFAULT 0 NOT NULL,
	"seats_ran_out" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "used_assertions" (
	"key_id" text NOT NULL,
	"hash" text NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "used_assertions_key_id_hash_pk" PRIMARY KEY("key_id","hash")
);
--> statement-breakpoint
CREATE TABLE "webhook_deliveries" (
	"tenant_id" uuid NOT NULL,
	"endpoint_id" uuid NOT NULL,
	"position" bigint NOT NULL,
	"resource_id" uuid NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"due_at" timestamp with time zone DEFAULT now() NOT NULL,
	"first_tried_at" timestamp (3) with time zone,
	"dead" boolean DEFAULT false NOT NULL,
	"taken" integer DEFAULT 0 NOT NULL,
	"last_status" integer,
	"last_error" text,
	CONSTRAINT "webhook_deliveries_tenant_id_endpoint_id_position_pk" PRIMARY KEY("tenant_id","endpoint_id","position")
);
--> statement-breakpoint
CREATE TABLE "webhook_endpoints" (
	"id" uuid PRIMARY KEY NOT NULL,
	"environment_id" uuid NOT NULL,
	"tenant_id" uuid,
	"url" text NOT NULL,
	"description" text NOT NULL,
	"event_types" text[] NOT NULL,
	"snapshot" boolean DEFAULT false NOT NULL,
	"secret" text NOT NULL,
	"stream" jsonb,
	"previous_secret" text,
	"previous_secret_until" timestamp (3) with time zone,
	"enabled" boolean DEFAULT true NOT NULL,
	"disabled_reason" text,
	"failures" integer DEFAULT 0 NOT NULL,
	"failing_since" timestamp (3) with time zone,
	"resume_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "api_key_public_keys" ADD CONSTRAINT "api_key_public_keys_key_id_api_keys_id_fk" FOREIGN KEY ("key_id") REFERENCES "public"."api_keys"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_key_secrets" ADD CONSTRAINT "api_key_secrets_key_id_api_keys_id_fk" FOREIGN KEY ("key_id") REFERENCES "public"."api_keys"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_project_id_projects_id_fk" FOREIGN KEY ("project_id") REFERENCES "public"."projects"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_tenant_id_user_id_resources_tenant_id_id_fk" FOREIGN KEY ("tenant_id","user_id") REFERENCES "public"."resources"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deferred_members" ADD CONSTRAINT "deferred_members_tenant_id_group_id_resources_tenant_id_id_fk" FOREIGN KEY ("tenant_id","group_id") REFERENCES "public"."resources"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "environments" ADD CONSTRAINT "environments_project_id_projects_id_fk" FOREIGN KEY ("project_id") REFERENCES "public"."projects"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "event_logs" ADD CONSTRAINT "event_logs_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "kept_users" ADD CONSTRAINT "kept_users_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_tenant_id_group_id_resources_tenant_id_id_fk" FOREIGN KEY ("tenant_id","group_id") REFERENCES "public"."resources"("tenant_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_tenant_id_member_id_resources_tenant_id_id_fk" FOREIGN KEY ("tenant_id","member_id") REFERENCES "public"."resources"("tenant_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "resource_keys" ADD CONSTRAINT "resource_keys_tenant_id_resource_id_resources_tenant_id_id_fk" FOREIGN KEY ("tenant_id","resource_id") REFERENCES "public"."resources"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "resources" ADD CONSTRAINT "resources_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "role_bindings" ADD CONSTRAINT "role_bindings_tenant_id_group_id_resources_tenant_id_id_fk" FOREIGN KEY ("tenant_id","group_id") REFERENCES "public"."resources"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "role_bindings" ADD CONSTRAINT "role_bindings_tenant_id_role_id_roles_tenant_id_id_fk" FOREIGN KEY ("tenant_id","role_id") REFERENCES "public"."roles"("tenant_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "roles" ADD CONSTRAINT "roles_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "schema_definitions" ADD CONSTRAINT "schema_definitions_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "schema_definitions" ADD CONSTRAINT "schema_definitions_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tenants" ADD CONSTRAINT "tenants_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_endpoint_id_webhook_endpoints_id_fk" FOREIGN KEY ("endpoint_id") REFERENCES "public"."webhook_endpoints"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_endpoints" ADD CONSTRAINT "webhook_endpoints_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_endpoints" ADD CONSTRAINT "webhook_endpoints_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "api_key_secrets_expiry" ON "api_key_secrets" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "api_keys_scope" ON "api_keys" USING btree ("project_id","environment_id","tenant_id");--> statement-breakpoint
CREATE INDEX "api_keys_user" ON "api_keys" USING btree ("tenant_id","user_id");--> statement-breakpoint
CREATE INDEX "audit_entries_project" ON "audit_entries" USING btree ("project_id","seq");--> statement-breakpoint
CREATE INDEX "audit_entries_environment" ON "audit_entries" USING btree ("environment_id","seq");--> statement-breakpoint
CREATE INDEX "audit_entries_tenant" ON "audit_entries" USING btree ("tenant_id","seq");--> statement-breakpoint
CREATE UNIQUE INDEX "environments_key" ON "environments" USING btree ("project_id","key_folded");--> statement-breakpoint
CREATE INDEX "event_logs_held" ON "event_logs" USING btree ("tenant_id") WHERE hold_id is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "events_position" ON "events" USING btree ("tenant_id","position") WHERE position is not null;--> statement-breakpoint
CREATE INDEX "events_unstamped" ON "events" USING btree ("tenant_id","seq") WHERE position is null and not held;--> statement-breakpoint
CREATE INDEX "events_held" ON "events" USING btree ("tenant_id","seq") WHERE held;--> statement-breakpoint
CREATE INDEX "events_held_resource" ON "events" USING btree ("tenant_id","resource_id","seq") WHERE held;--> statement-breakpoint
CREATE INDEX "events_time" ON "events" USING btree ("tenant_id","occurred_at");--> statement-breakpoint
CREATE INDEX "events_leavers" ON "events" USING btree ("tenant_id","occurred_at") WHERE type in ('user.deactivated', 'user.deleted', 'group.deleted', 'group.member_removed', 'role.unassigned');--> statement-breakpoint
CREATE INDEX "idempotency_keys_time" ON "idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "kept_users_unique_key" ON "kept_users" USING btree ("tenant_id","unique_key");--> statement-breakpoint
CREATE INDEX "kept_users_external_id" ON "kept_users" USING btree ("tenant_id","external_id");--> statement-breakpoint
CREATE INDEX "kept_users_end" ON "kept_users" USING btree ("kept_until");--> statement-breakpoint
CREATE INDEX "memberships_member" ON "memberships" USING btree ("tenant_id","member_id","group_id");--> statement-breakpoint
CREATE UNIQUE INDEX "projects_key" ON "projects" USING btree ("key_folded");--> statement-breakpoint
CREATE UNIQUE INDEX "resource_keys_unique" ON "resource_keys" USING btree ("tenant_id","resource_type","attribute","key") WHERE is_unique;--> statement-breakpoint
CREATE INDEX "resource_keys_resource" ON "resource_keys" USING btree ("tenant_id","resource_id");--> statement-breakpoint
CREATE UNIQUE INDEX "resources_unique_key" ON "resources" USING btree ("tenant_id","resource_type","unique_key");--> statement-breakpoint
CREATE INDEX "resources_type" ON "resources" USING btree ("tenant_id","resource_type","id");--> statement-breakpoint
CREATE INDEX "resources_external_id" ON "resources" USING btree ("tenant_id","external_id");--> statement-breakpoint
CREATE INDEX "resources_display_key" ON "resources" USING btree ("tenant_id","resource_type","display_key");--> statement-breakpoint
CREATE INDEX "resources_search" ON "resources" USING gin ("search" jsonb_path_ops) WITH (fastupdate=false);--> statement-breakpoint
CREATE INDEX "role_bindings_role" ON "role_bindings" USING btree ("tenant_id","role_id","group_id");--> statement-breakpoint
CREATE UNIQUE INDEX "role_bindings_every_group" ON "role_bindings" USING btree ("tenant_id","role_id") WHERE rule = 'everyGroup';--> statement-breakpoint
CREATE UNIQUE INDEX "roles_key" ON "roles" USING btree ("tenant_id","key");--> statement-breakpoint
CREATE INDEX "schema_definitions_tenant" ON "schema_definitions" USING btree ("tenant_id");--> statement-breakpoint
CREATE UNIQUE INDEX "tenants_key" ON "tenants" USING btree ("environment_id","key_folded");--> statement-breakpoint
CREATE INDEX "used_assertions_expiry" ON "used_assertions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_due" ON "webhook_deliveries" USING btree ("endpoint_id","tenant_id","due_at") WHERE not dead;--> statement-breakpoint
CREATE INDEX "webhook_deliveries_dead" ON "webhook_deliveries" USING btree ("endpoint_id","tenant_id","position") WHERE dead;--> statement-breakpoint
CREATE INDEX "webhook_deliveries_resource" ON "webhook_deliveries" USING btree ("tenant_id","endpoint_id","resource_id","position") WHERE not dead;--> statement-breakpoint
CREATE INDEX "webhook_endpoints_place" ON "webhook_endpoints" USING btree ("environment_id","tenant_id");