-- What is searched moves to a table of its own. A write of anything else then leaves it, and its index, alone.
CREATE TABLE "search_documents" (
	"tenant_id" uuid NOT NULL,
	"resource_type" text NOT NULL,
	"resource_id" uuid NOT NULL,
	"search" jsonb NOT NULL,
	CONSTRAINT "search_documents_tenant_id_resource_type_resource_id_pk" PRIMARY KEY("tenant_id","resource_type","resource_id")
) WITH (fillfactor=85);
--> statement-breakpoint
ALTER TABLE "search_documents" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "tenants_own" ON "search_documents" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);--> statement-breakpoint
INSERT INTO "search_documents" ("tenant_id", "resource_type", "resource_id", "search")
SELECT "tenant_id", "resource_type", "id", "search" FROM "resources" ORDER BY "tenant_id", "resource_type", "id";--> statement-breakpoint
CREATE INDEX "search_documents_search" ON "search_documents" USING gin ("search" jsonb_path_ops) WITH (fastupdate=true,gin_pending_list_limit=512);--> statement-breakpoint
-- The search index answers equalities of e-mail values, so that keys are those of unique attributes alone.
DELETE FROM "resource_keys" WHERE NOT "is_unique";--> statement-breakpoint
DROP INDEX "resource_keys_unique";--> statement-breakpoint
ALTER TABLE "resource_keys" DROP CONSTRAINT "resource_keys_pk";--> statement-breakpoint
ALTER TABLE "resource_keys" DROP COLUMN "is_unique";--> statement-breakpoint
ALTER TABLE "resource_keys" ADD CONSTRAINT "resource_keys_pk" PRIMARY KEY("tenant_id","resource_type","attribute","key");--> statement-breakpoint
-- The order of columns is that of the table's making, so the table is made anew. The columns that most changes change stand
-- together, and pages keep room for the next version of a row: then a change logs few bytes and writes no index.
CREATE TABLE "resources_anew" (
	"tenant_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"version" bigint DEFAULT 1 NOT NULL,
	"modified_at" timestamp (3) with time zone NOT NULL,
	"active" boolean,
	"manager_id" uuid,
	"resource_type" text NOT NULL,
	"external_id" text collate "C",
	"unique_key" text collate "C",
	"display_key" text collate "C",
	"label" text,
	"password_hash" text,
	"document" text NOT NULL
) WITH (fillfactor=80);
--> statement-breakpoint
ALTER TABLE "resources_anew" ALTER COLUMN "document" SET STORAGE MAIN;--> statement-breakpoint
INSERT INTO "resources_anew" ("tenant_id", "id", "created_at", "version", "modified_at", "active", "manager_id", "resource_type", "external_id", "unique_key", "display_key", "label", "password_hash", "document")
SELECT "tenant_id", "id", "created_at", "version", "modified_at", "active", "manager_id", "resource_type", "external_id", "unique_key", "display_key", "label", "password_hash", "document" FROM "resources" ORDER BY "tenant_id", "id";--> statement-breakpoint
-- The references from and to the table go to the new one, under the names that they have.
DO $$
DECLARE
  reference record;
  remade text[] := '{}';
  statement text;
BEGIN
  FOR reference IN SELECT conrelid::regclass AS holder, conname, pg_get_constraintdef(oid) AS definition
    FROM pg_constraint WHERE contype = 'f' AND 'resources'::regclass IN (conrelid, confrelid)
  LOOP
    remade := remade || format('ALTER TABLE %s ADD CONSTRAINT %I %s', reference.holder, reference.conname, reference.definition);
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', reference.holder, reference.conname);
  END LOOP;
  DROP TABLE resources;
  ALTER TABLE resources_anew RENAME TO resources;
  ALTER TABLE resources ADD CONSTRAINT resources_tenant_id_id_pk PRIMARY KEY (tenant_id, id);
  FOREACH statement IN ARRAY remade LOOP
    EXECUTE statement;
  END LOOP;
END
$$;
--> statement-breakpoint
CREATE UNIQUE INDEX "resources_unique_key" ON "resources" USING btree ("tenant_id","resource_type","unique_key");--> statement-breakpoint
CREATE INDEX "resources_type" ON "resources" USING btree ("tenant_id","resource_type","id");--> statement-breakpoint
CREATE INDEX "resources_external_id" ON "resources" USING btree ("tenant_id","external_id");--> statement-breakpoint
CREATE INDEX "resources_display_key" ON "resources" USING btree ("tenant_id","resource_type","display_key");--> statement-breakpoint
ALTER TABLE "resources" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "tenants_own" ON "resources" AS PERMISSIVE FOR ALL TO public USING (tenant_id = nullif(current_setting('rollcall.tenant', true), '')::uuid);
