-- As before (0026), in more steps: what looks at rows and calls a function in one expression, Citus sends to the machine of the rows,
-- which asks no other. Each expression here does one of both.
CREATE OR REPLACE FUNCTION "roles_by_membership"("in_tenant" uuid, "of_user" uuid, "by_group" uuid) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
  "given" uuid[];
  "groups" uuid[];
  "written" uuid[];
  "others" uuid[];
BEGIN
  -- Groups in groups and bindings stay as they are; users move side by side.
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('role moves ' || in_tenant, 0));
  IF by_group IS NOT NULL THEN
    given := roles_of_groups(in_tenant, array[by_group]);
    IF given = '{}' THEN RETURN given; END IF;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('role moves of ' || of_user, 0));
  groups := array(
    SELECT m.group_id FROM memberships m
    WHERE m.tenant_id = in_tenant AND m.member_id = of_user AND m.group_id IS DISTINCT FROM by_group
  );
  written := array(SELECT w.role_id FROM written_roles w WHERE w.tenant_id = in_tenant AND w.user_id = of_user);
  others := roles_of_groups(in_tenant, groups) || written;
  IF by_group IS NULL THEN RETURN array(SELECT DISTINCT unnest(others)); END IF;
  RETURN array(SELECT unnest(given) EXCEPT SELECT unnest(others));
END $$;--> statement-breakpoint
CREATE OR REPLACE FUNCTION "write_roles"("in_tenant" uuid, "of_user" uuid, "given" jsonb, "taken" jsonb)
RETURNS TABLE ("role_id" uuid, "role_key" text, "role_version" bigint, "event" text, "attribute" text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  "groups" uuid[];
  "by_groups" uuid[];
  "had" uuid[];
  "has" uuid[];
  "by_attribute" jsonb;
BEGIN
  IF given = '[]' AND taken = '[]' THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('role moves ' || in_tenant, 0));
  PERFORM pg_advisory_xact_lock(hashtextextended('role moves of ' || of_user, 0));
  groups := array(SELECT m.group_id FROM memberships m WHERE m.tenant_id = in_tenant AND m.member_id = of_user);
  by_groups := roles_of_groups(in_tenant, groups);
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
