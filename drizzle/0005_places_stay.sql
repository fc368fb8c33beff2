-- What a replay has queued for an endpoint that is not for the tenant must not be sent.
DELETE FROM "webhook_deliveries" d WHERE NOT EXISTS (
  SELECT 1 FROM "webhook_endpoints" w JOIN "tenants" t ON t."environment_id" = w."environment_id"
  WHERE w."id" = d."endpoint_id" AND t."id" = d."tenant_id" AND (w."tenant_id" IS NULL OR w."tenant_id" = t."id")
);
--> statement-breakpoint
-- Deliveries are queued by the thousand: this looks once for each statement, where references would for each row.
CREATE FUNCTION "webhook_deliveries_place"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (
    SELECT 1 FROM (SELECT DISTINCT f.tenant_id, f.endpoint_id FROM fresh f) f WHERE NOT EXISTS (
      SELECT 1 FROM webhook_endpoints w JOIN tenants t ON t.environment_id = w.environment_id
      WHERE w.id = f.endpoint_id AND t.id = f.tenant_id AND (w.tenant_id IS NULL OR w.tenant_id = t.id)
    )
  ) THEN
    RAISE EXCEPTION 'a delivery is for an endpoint of its own place' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "webhook_deliveries_place" AFTER INSERT ON "webhook_deliveries"
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION "webhook_deliveries_place"();
--> statement-breakpoint
-- And nothing goes to another place later, so what was looked at once stays so.
CREATE FUNCTION "stays_where_it_is"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% stay in the place where they were made', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
--> statement-breakpoint
CREATE TRIGGER "environments_stay" BEFORE UPDATE OF "id", "project_id" ON "environments"
  FOR EACH STATEMENT EXECUTE FUNCTION "stays_where_it_is"();
--> statement-breakpoint
CREATE TRIGGER "tenants_stay" BEFORE UPDATE OF "id", "environment_id" ON "tenants"
  FOR EACH STATEMENT EXECUTE FUNCTION "stays_where_it_is"();
--> statement-breakpoint
CREATE TRIGGER "webhook_endpoints_stay" BEFORE UPDATE OF "id", "environment_id", "tenant_id" ON "webhook_endpoints"
  FOR EACH STATEMENT EXECUTE FUNCTION "stays_where_it_is"();
--> statement-breakpoint
CREATE TRIGGER "webhook_deliveries_stay" BEFORE UPDATE OF "tenant_id", "endpoint_id", "position" ON "webhook_deliveries"
  FOR EACH STATEMENT EXECUTE FUNCTION "stays_where_it_is"();
