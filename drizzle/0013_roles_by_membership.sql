-- The roles that groups give by themselves or by the groups around them, however deep. `offset 0` makes each step a look into an
-- index, whatever the planner knows of the tables.
CREATE FUNCTION "roles_of_groups"("in_tenant" uuid, "some_groups" uuid[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
BEGIN
  RETURN array(
    WITH RECURSIVE up(id) AS (
      SELECT unnest(some_groups)
      UNION
      SELECT above.group_id FROM up CROSS JOIN LATERAL (
        SELECT m.group_id FROM memberships m WHERE m.tenant_id = in_tenant AND m.member_id = up.id OFFSET 0
      ) above
    )
    SELECT DISTINCT b.role_id FROM up CROSS JOIN LATERAL (
      SELECT b.role_id FROM role_bindings b WHERE b.tenant_id = in_tenant AND b.group_id = up.id OFFSET 0
    ) b
  );
END $$;--> statement-breakpoint
-- The roles that a user has by the membership in one group alone, whether it is there or is about to be. Without a group: all
-- roles of the user. Until the end of the transaction, no other membership of the user gives or takes one of these roles.
--
-- Each statement of a function sees what was committed before it began. So the roles are read under the locks, which the
-- statement that calls the function could not do: it sees what was committed before it waited.
CREATE FUNCTION "roles_by_membership"("in_tenant" uuid, "of_user" uuid, "by_group" uuid) RETURNS uuid[] LANGUAGE plpgsql AS $$
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
  ));
  IF by_group IS NULL THEN RETURN others; END IF;
  RETURN array(SELECT unnest(given) EXCEPT SELECT unnest(others));
END $$;
