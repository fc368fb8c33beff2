ALTER TABLE "audit_entries" ADD COLUMN "actor_name" text;--> statement-breakpoint
ALTER TABLE "console_sessions" ADD COLUMN "hash" text;--> statement-breakpoint
ALTER TABLE "console_sessions" ADD COLUMN "credential" text;--> statement-breakpoint
ALTER TABLE "console_sessions" ADD COLUMN "issuer" text;--> statement-breakpoint
ALTER TABLE "console_sessions" ADD COLUMN "name" text;--> statement-breakpoint
ALTER TABLE "console_sessions" ADD COLUMN "email" text;--> statement-breakpoint
ALTER TABLE "console_sessions" ADD COLUMN "claimed" text[];--> statement-breakpoint
ALTER TABLE "console_sessions" ADD COLUMN "id_token" text;--> statement-breakpoint
ALTER TABLE "console_sessions" ADD COLUMN "created_at" timestamp (3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "console_sessions" ADD COLUMN "seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "console_sessions" ADD COLUMN "address" text;--> statement-breakpoint
ALTER TABLE "console_sessions" ADD COLUMN "client" text;