INSERT INTO "tenant_versions" ("tenant_id", "version") SELECT "id", "version" FROM "tenants" WHERE "version" > 0;--> statement-breakpoint
ALTER TABLE "tenants" DROP COLUMN "version";
