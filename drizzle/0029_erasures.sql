CREATE TABLE "erasures" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"user_id" uuid,
	"subject" jsonb,
	"place" text collate "C" NOT NULL,
	"after" text,
	"erased" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"storage" text,
	"actor" text NOT NULL,
	"request_id" text NOT NULL,
	"reference" text,
	"asked_at" timestamp (3) with time zone NOT NULL,
	"due_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "erasures_tenant_id_id_pk" PRIMARY KEY("tenant_id","id")
);
--> statement-breakpoint
ALTER TABLE "erasures" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE INDEX "erasures_due" ON "erasures" USING btree ("due_at") WHERE finished_at is null;--> statement-breakpoint
CREATE POLICY "tenants_own" ON "erasures" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
-- By hand from here on.
-- An entry of the audit trail is changed by an erasure alone, which takes a person out of what was before and after. Who did what, and
-- when, never changes.
CREATE FUNCTION "audit_entries_erased"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  open_to text[] := array['before', 'after', 'target_name'];
BEGIN
  IF old.tenant_id::text = current_setting('rollcall.erasing', true)
     AND EXISTS (SELECT FROM erasures e WHERE e.tenant_id = old.tenant_id AND e.finished_at IS NULL)
     AND to_jsonb(new) - open_to = to_jsonb(old) - open_to THEN
    RETURN new;
  END IF;
  RAISE EXCEPTION 'audit_entries is only ever appended to' USING ERRCODE = 'restrict_violation';
END
$$;
--> statement-breakpoint
DROP TRIGGER "audit_entries_append_only" ON "audit_entries";
--> statement-breakpoint
CREATE TRIGGER "audit_entries_append_only" BEFORE TRUNCATE ON "audit_entries"
  FOR EACH STATEMENT EXECUTE FUNCTION "audit_entries_append_only"();
--> statement-breakpoint
CREATE TRIGGER "audit_entries_erased" BEFORE UPDATE ON "audit_entries"
  FOR EACH ROW EXECUTE FUNCTION "audit_entries_erased"();
