CREATE TABLE "api_key_trusts" (
	"key_id" text NOT NULL,
	"id" uuid NOT NULL,
	"issuer" text NOT NULL,
	"jwks_uri" text NOT NULL,
	"subject" text NOT NULL,
	"audiences" text[] NOT NULL,
	"algorithms" text[] NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"last_used_at" timestamp (3) with time zone,
	"last_used_by" text,
	CONSTRAINT "api_key_trusts_key_id_id_pk" PRIMARY KEY("key_id","id")
);
--> statement-breakpoint
ALTER TABLE "api_key_trusts" ADD CONSTRAINT "api_key_trusts_key_id_api_keys_id_fk" FOREIGN KEY ("key_id") REFERENCES "public"."api_keys"("id") ON DELETE cascade ON UPDATE no action;