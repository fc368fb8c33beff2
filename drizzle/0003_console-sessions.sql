CREATE TABLE "console_sessions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"key_id" text NOT NULL,
	"ends_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "console_sessions_key" ON "console_sessions" USING btree ("key_id","ends_at");--> statement-breakpoint
CREATE INDEX "console_sessions_end" ON "console_sessions" USING btree ("ends_at");