CREATE TABLE "former_addresses" (
	"tenant_id" uuid NOT NULL,
	"environment_id" uuid NOT NULL,
	"key" text NOT NULL,
	"key_folded" text collate "C" NOT NULL,
	"ends_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "former_addresses_tenant_id_environment_id_key_folded_pk" PRIMARY KEY("tenant_id","environment_id","key_folded")
);
--> statement-breakpoint
ALTER TABLE "former_addresses" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "former_addresses" ADD CONSTRAINT "former_addresses_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "former_addresses" ADD CONSTRAINT "former_addresses_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "former_addresses_key" ON "former_addresses" USING btree ("environment_id","key_folded");--> statement-breakpoint
CREATE POLICY "tenants_own" ON "former_addresses" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
-- A tenant's place changes by a move alone, which says so. Its endpoints go with it, and nothing else ever goes elsewhere.
CREATE FUNCTION "moves_with_its_tenant"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('rollcall.moves', true) IS DISTINCT FROM 'on' THEN
    RAISE EXCEPTION '% stay in the place where they were made', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
DROP TRIGGER "tenants_stay" ON "tenants";
--> statement-breakpoint
CREATE TRIGGER "tenants_stay" BEFORE UPDATE OF "id" ON "tenants"
  FOR EACH STATEMENT EXECUTE FUNCTION "stays_where_it_is"();
--> statement-breakpoint
CREATE TRIGGER "tenants_move" BEFORE UPDATE OF "environment_id" ON "tenants"
  FOR EACH STATEMENT EXECUTE FUNCTION "moves_with_its_tenant"();
--> statement-breakpoint
DROP TRIGGER "webhook_endpoints_stay" ON "webhook_endpoints";
--> statement-breakpoint
CREATE TRIGGER "webhook_endpoints_stay" BEFORE UPDATE OF "id", "tenant_id" ON "webhook_endpoints"
  FOR EACH STATEMENT EXECUTE FUNCTION "stays_where_it_is"();
--> statement-breakpoint
CREATE TRIGGER "webhook_endpoints_move" BEFORE UPDATE OF "environment_id" ON "webhook_endpoints"
  FOR EACH STATEMENT EXECUTE FUNCTION "moves_with_its_tenant"();
