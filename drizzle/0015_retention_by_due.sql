CREATE TABLE "upkeep_turns" (
	"name" text PRIMARY KEY NOT NULL,
	"holder" uuid NOT NULL,
	"held_until" timestamp (3) with time zone NOT NULL,
	"done_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "event_logs" ADD COLUMN "environment_id" uuid;--> statement-breakpoint
ALTER TABLE "event_logs" ADD COLUMN "oldest_at" timestamp (3) with time zone;--> statement-breakpoint
-- The logs that there are.
UPDATE "event_logs" l SET "environment_id" = t."environment_id", "oldest_at" = (
  SELECT e."occurred_at" FROM "events" e WHERE l."head" > l."trimmed" AND e."tenant_id" = l."tenant_id" ORDER BY e."occurred_at" LIMIT 1
) FROM "tenants" t WHERE t."id" = l."tenant_id";
--> statement-breakpoint
CREATE INDEX "event_logs_oldest" ON "event_logs" USING btree ("environment_id","oldest_at","tenant_id") WHERE oldest_at is not null;
--> statement-breakpoint
-- A trigger, so that an instance of an older version, which knows of neither column, fills them too.
CREATE FUNCTION "event_logs_age"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF new.environment_id IS NULL THEN
    SELECT t.environment_id INTO new.environment_id FROM tenants t WHERE t.id = new.tenant_id;
  END IF;
  IF new.head > new.trimmed AND new.oldest_at IS NULL THEN
    SELECT e.occurred_at INTO new.oldest_at FROM events e WHERE e.tenant_id = new.tenant_id ORDER BY e.occurred_at LIMIT 1;
  END IF;
  RETURN new;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "event_logs_age" BEFORE INSERT OR UPDATE OF "head" ON "event_logs" FOR EACH ROW
  WHEN (new.environment_id IS NULL OR (new.oldest_at IS NULL AND new.head > new.trimmed)) EXECUTE FUNCTION "event_logs_age"();
--> statement-breakpoint
-- An entry of the audit trail goes for its age alone, where the operator has said for how long entries are kept, and never
-- within its first 30 days. It is never changed.
CREATE FUNCTION "audit_entries_kept"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('rollcall.audit_kept_days', true), '') <> ''
     AND old.at < now() - make_interval(days => greatest(30, current_setting('rollcall.audit_kept_days')::int)) THEN
    RETURN old;
  END IF;
  RAISE EXCEPTION 'audit_entries is only ever appended to' USING ERRCODE = 'restrict_violation';
END
$$;
--> statement-breakpoint
DROP TRIGGER "audit_entries_append_only" ON "audit_entries";
--> statement-breakpoint
CREATE TRIGGER "audit_entries_append_only" BEFORE UPDATE OR TRUNCATE ON "audit_entries"
  FOR EACH STATEMENT EXECUTE FUNCTION "audit_entries_append_only"();
--> statement-breakpoint
CREATE TRIGGER "audit_entries_kept" BEFORE DELETE ON "audit_entries"
  FOR EACH ROW EXECUTE FUNCTION "audit_entries_kept"();
