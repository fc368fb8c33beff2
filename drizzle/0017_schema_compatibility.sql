CREATE TABLE "schema_compatibility" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"needs_migration" text NOT NULL,
	"needs_release" text NOT NULL,
	CONSTRAINT "schema_compatibility_one_row" CHECK ("schema_compatibility"."only")
);
--> statement-breakpoint
INSERT INTO "schema_compatibility" ("needs_migration", "needs_release") VALUES ('0017_schema_compatibility', '0.2.0');
