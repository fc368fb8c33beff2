CREATE TABLE "rsa_signing_keys" (
	"generation" integer PRIMARY KEY NOT NULL,
	"kid" text NOT NULL,
	"public_jwk" jsonb NOT NULL,
	"sealed" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "stream_messages" (
	"endpoint_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"uri" text NOT NULL,
	"payload" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"pushed" boolean NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"due_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "stream_messages_endpoint_id_id_pk" PRIMARY KEY("endpoint_id","id")
);
--> statement-breakpoint
ALTER TABLE "webhook_endpoints" ADD COLUMN "paused" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "webhook_endpoints" ADD COLUMN "status_reason" text;--> statement-breakpoint
ALTER TABLE "webhook_endpoints" ADD COLUMN "receiver_key" text;--> statement-breakpoint
ALTER TABLE "webhook_endpoints" ADD COLUMN "verified_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "stream_messages" ADD CONSTRAINT "stream_messages_endpoint_id_webhook_endpoints_id_fk" FOREIGN KEY ("endpoint_id") REFERENCES "public"."webhook_endpoints"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "stream_messages_due" ON "stream_messages" USING btree ("due_at") WHERE pushed;--> statement-breakpoint
CREATE INDEX "webhook_endpoints_receiver" ON "webhook_endpoints" USING btree ("receiver_key") WHERE receiver_key is not null;