CREATE TABLE "catalogue_work" (
	"tenant_id" uuid PRIMARY KEY NOT NULL,
	"environment_id" uuid NOT NULL,
	"generation" integer DEFAULT 1 NOT NULL,
	"after" uuid,
	"actor" text NOT NULL,
	"request_id" text NOT NULL,
	"due_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "catalogue_work" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "catalogues" (
	"id" uuid PRIMARY KEY NOT NULL,
	"environment_id" uuid NOT NULL,
	"tenant_id" uuid,
	"kinds" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"entries" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "catalogues_of_place" UNIQUE NULLS NOT DISTINCT("environment_id","tenant_id")
);
--> statement-breakpoint
ALTER TABLE "catalogues" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "written_roles" (
	"tenant_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"attribute" text NOT NULL,
	"value" text collate "C" NOT NULL,
	"role_id" uuid NOT NULL,
	CONSTRAINT "written_roles_tenant_id_user_id_attribute_value_pk" PRIMARY KEY("tenant_id","user_id","attribute","value")
);
--> statement-breakpoint
ALTER TABLE "written_roles" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "catalogues" ADD CONSTRAINT "catalogues_environment_id_environments_id_fk" FOREIGN KEY ("environment_id") REFERENCES "public"."environments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "catalogues" ADD CONSTRAINT "catalogues_place" FOREIGN KEY ("environment_id","tenant_id") REFERENCES "public"."tenants"("environment_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "written_roles" ADD CONSTRAINT "written_roles_tenant_id_user_id_resources_tenant_id_id_fk" FOREIGN KEY ("tenant_id","user_id") REFERENCES "public"."resources"("tenant_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "written_roles" ADD CONSTRAINT "written_roles_tenant_id_role_id_roles_tenant_id_id_fk" FOREIGN KEY ("tenant_id","role_id") REFERENCES "public"."roles"("tenant_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "catalogue_work_due" ON "catalogue_work" USING btree ("due_at");--> statement-breakpoint
CREATE INDEX "catalogues_tenant" ON "catalogues" USING btree ("tenant_id");--> statement-breakpoint
CREATE INDEX "written_roles_role" ON "written_roles" USING btree ("tenant_id","role_id","user_id");--> statement-breakpoint
CREATE POLICY "tenants_own" ON "catalogue_work" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "catalogues" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid or (tenant_id is null and environment_id = (select t.environment_id from tenants t where t.id = nullif(current_setting('rollcall.tenant', true), '')::uuid))) WITH CHECK (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
CREATE POLICY "tenants_own" ON "written_roles" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
-- The hand-written part: functions.
--
-- Since users also have roles that the identity provider writes, somebody who has one by both a group and a value moves only when
-- both are gone. Otherwise as before (0013).
CREATE OR REPLACE FUNCTION "roles_by_membership"("in_tenant" uuid, "of_user" uuid, "by_group" uuid) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
  "given" uuid[];
  "others" uuid[];
BEGIN
  -- Groups in groups and bindings stay as they are; users move side by side.
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('role moves ' || in_tenant, 0));
  IF by_group IS NOT NULL THEN
    given := roles_of_groups(in_tenant, array[by_group]);
    IF given = '{}' THEN RETURN given; END IF;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('role moves of ' || of_user, 0));
  others := roles_of_groups(in_tenant, array(
    SELECT m.group_id FROM memberships m
    WHERE m.tenant_id = in_tenant AND m.member_id = of_user AND m.group_id IS DISTINCT FROM by_group
  )) || array(SELECT w.role_id FROM written_roles w WHERE w.tenant_id = in_tenant AND w.user_id = of_user);
  IF by_group IS NULL THEN RETURN array(SELECT DISTINCT unnest(others)); END IF;
  RETURN array(SELECT unnest(given) EXCEPT SELECT unnest(others));
END $$;--> statement-breakpoint
-- Stores which roles a user gets and loses because the identity provider wrote values, and gives those that the user has now and had
-- not, or had and has no more, each with its new version. Both lists are JSON: `given` has id, role, attribute and value, `taken` has
-- attribute and value. Until the end of the transaction, no membership of the user gives or takes a role.
--
-- Each statement of a function sees what was committed before it began, and what the statement that calls it has done so far.
CREATE FUNCTION "write_roles"("in_tenant" uuid, "of_user" uuid, "given" jsonb, "taken" jsonb)
RETURNS TABLE ("role_id" uuid, "role_key" text, "role_version" bigint, "event" text, "attribute" text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  "by_groups" uuid[];
  "had" uuid[];
  "has" uuid[];
  "by_attribute" jsonb;
BEGIN
  IF given = '[]' AND taken = '[]' THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('role moves ' || in_tenant, 0));
  PERFORM pg_advisory_xact_lock(hashtextextended('role moves of ' || of_user, 0));
  by_groups := roles_of_groups(in_tenant, array(
    SELECT m.group_id FROM memberships m WHERE m.tenant_id = in_tenant AND m.member_id = of_user
  ));
  had := array(SELECT w.role_id FROM written_roles w WHERE w.tenant_id = in_tenant AND w.user_id = of_user);
  WITH gone AS (
    DELETE FROM written_roles w USING jsonb_to_recordset(taken) AS t("attribute" text, "value" text)
    WHERE w.tenant_id = in_tenant AND w.user_id = of_user AND w.attribute = t.attribute AND w.value = t.value
    RETURNING w.role_id, w.attribute
  )
  SELECT coalesce(jsonb_object_agg(g.role_id, g.attribute), '{}') INTO by_attribute FROM gone g;
  INSERT INTO roles (tenant_id, id, key)
  SELECT DISTINCT ON (g.role) in_tenant, g.id, g.role FROM jsonb_to_recordset(given) AS g("id" uuid, "role" text) ORDER BY g.role
  ON CONFLICT DO NOTHING;
  INSERT INTO written_roles (tenant_id, user_id, attribute, value, role_id)
  SELECT in_tenant, of_user, g.attribute, g.value, r.id
  FROM jsonb_to_recordset(given) AS g("attribute" text, "value" text, "role" text)
  CROSS JOIN LATERAL (SELECT r.id FROM roles r WHERE r.tenant_id = in_tenant AND r.key = g.role OFFSET 0) r
  ON CONFLICT DO NOTHING;
  SELECT coalesce(array_agg(w.role_id), '{}'), by_attribute || coalesce(jsonb_object_agg(w.role_id, w.attribute), '{}')
  INTO has, by_attribute FROM written_roles w WHERE w.tenant_id = in_tenant AND w.user_id = of_user;
  RETURN QUERY
  WITH moves AS (
    SELECT DISTINCT m.id, m.event FROM (
      SELECT unnest(has) AS id, 'role.assigned' AS event UNION ALL SELECT unnest(had), 'role.unassigned'
    ) m WHERE m.id <> ALL (by_groups) AND m.id <> ALL (CASE m.event WHEN 'role.assigned' THEN had ELSE has END)
  ),
  held AS MATERIALIZED (
    -- In one order, so that two writers of several roles never wait for each other.
    SELECT r.id FROM roles r WHERE r.tenant_id = in_tenant AND r.id = ANY (array(SELECT m.id FROM moves m)) ORDER BY r.id FOR UPDATE
  )
  UPDATE roles r SET version = r.version + 1 FROM held h JOIN moves m ON m.id = h.id
  WHERE r.tenant_id = in_tenant AND r.id = h.id
  RETURNING r.id, r.key::text, r.version, m.event, by_attribute ->> r.id::text;
END $$;
