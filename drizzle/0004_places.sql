-- What names two places names two that belong together: the wider one is a part of the reference.
ALTER TABLE "api_keys" DROP CONSTRAINT "api_keys_environment_id_environments_id_fk";
--> statement-breakpoint
ALTER TABLE "api_keys" DROP CONSTRAINT "api_keys_tenant_id_tenants_id_fk";
--> statement-breakpoint
ALTER TABLE "schema_definitions" DROP CONSTRAINT "schema_definitions_tenant_id_tenants_id_fk";
--> statement-breakpoint
ALTER TABLE "webhook_endpoints" DROP CONSTRAINT "webhook_endpoints_tenant_id_tenants_id_fk";
--> statement-breakpoint
ALTER TABLE "environments" ADD CONSTRAINT "environments_place" UNIQUE("project_id","id");
--> statement-breakpoint
ALTER TABLE "tenants" ADD CONSTRAINT "tenants_place" UNIQUE("environment_id","id");
--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_environment" FOREIGN KEY ("project_id","environment_id") REFERENCES "public"."environments"("project_id","id") ON DELETE no action ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_tenant" FOREIGN KEY ("environment_id","tenant_id") REFERENCES "public"."tenants"("environment_id","id") ON DELETE no action ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE "schema_definitions" ADD CONSTRAINT "schema_definitions_place" FOREIGN KEY ("environment_id","tenant_id") REFERENCES "public"."tenants"("environment_id","id") ON DELETE no action ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE "webhook_endpoints" ADD CONSTRAINT "webhook_endpoints_tenant" FOREIGN KEY ("environment_id","tenant_id") REFERENCES "public"."tenants"("environment_id","id") ON DELETE no action ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_place" CHECK ((project_id is not null or environment_id is null) and (environment_id is not null or tenant_id is null));
