ALTER TABLE "memberships" DROP CONSTRAINT "memberships_tenant_id_group_id_resources_tenant_id_id_fk";
--> statement-breakpoint
ALTER TABLE "memberships" DROP CONSTRAINT "memberships_tenant_id_member_id_resources_tenant_id_id_fk";
--> statement-breakpoint
ALTER TABLE "resources" DROP CONSTRAINT "resources_tenant_id_tenants_id_fk";
--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "deleting" boolean DEFAULT false NOT NULL;--> statement-breakpoint
-- Whoever adds a member and whoever deletes a resource lock the same number, which costs neither log nor pages: 64 for a tenant,
-- so that no statement takes many.
CREATE FUNCTION "member_lock"("tenant_id" uuid, "resource_id" uuid) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN uuid_hash_extended("tenant_id", uuid_hash("resource_id") & 63);
--> statement-breakpoint
-- The second query sees what was committed while the first one waited. Its look-ups have an order and a limit, so that only
-- the index on the ids serves them, also where a plan is made for empty tables.
CREATE FUNCTION "memberships_refer"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(n.number) FROM (
    SELECT DISTINCT public.member_lock(f.tenant_id, f.member_id) AS number FROM fresh f ORDER BY 1
  ) n;
  IF EXISTS (
    SELECT FROM fresh f WHERE NOT EXISTS (
      SELECT FROM public.resources r
      WHERE r.tenant_id = f.tenant_id AND r.id BETWEEN f.member_id AND f.member_id ORDER BY r.id LIMIT 1
    ) OR NOT EXISTS (
      SELECT FROM public.resources r
      WHERE r.tenant_id = f.tenant_id AND r.id BETWEEN f.group_id AND f.group_id ORDER BY r.id LIMIT 1
    )
  ) THEN
    RAISE EXCEPTION 'a group and its members are resources of one tenant' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "memberships_refer" AFTER INSERT ON "memberships"
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION "memberships_refer"();
--> statement-breakpoint
CREATE FUNCTION "resources_referred"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(n.number) FROM (
    SELECT DISTINCT public.member_lock(g.tenant_id, g.id) AS number FROM gone g ORDER BY 1
  ) n;
  IF EXISTS (
    SELECT FROM gone g WHERE EXISTS (
      SELECT FROM public.memberships m
      WHERE m.tenant_id = g.tenant_id AND m.member_id BETWEEN g.id AND g.id ORDER BY m.member_id LIMIT 1
    ) OR EXISTS (
      SELECT FROM public.memberships m
      WHERE m.tenant_id = g.tenant_id AND m.group_id BETWEEN g.id AND g.id ORDER BY m.group_id LIMIT 1
    )
  ) THEN
    RAISE EXCEPTION 'a resource that is in a group, or is one with members, stays' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "resources_referred" AFTER DELETE ON "resources"
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION "resources_referred"();
--> statement-breakpoint
-- What was looked at once stays so.
CREATE TRIGGER "memberships_stay" BEFORE UPDATE OF "tenant_id", "group_id", "member_id" ON "memberships"
  FOR EACH STATEMENT EXECUTE FUNCTION "stays_where_it_is"();
--> statement-breakpoint
CREATE TRIGGER "resources_stay" BEFORE UPDATE OF "tenant_id", "id" ON "resources"
  FOR EACH STATEMENT EXECUTE FUNCTION "stays_where_it_is"();
