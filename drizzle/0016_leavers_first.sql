ALTER TABLE "webhook_deliveries" ADD COLUMN "urgent" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "webhook_deliveries_urgent" ON "webhook_deliveries" USING btree ("endpoint_id","tenant_id","due_at") WHERE not dead and urgent;
--> statement-breakpoint
-- What waits already of people who have left goes first too, with what is before it of the same resource.
UPDATE "webhook_deliveries" d SET "urgent" = true FROM (
  SELECT w."tenant_id", w."endpoint_id", w."resource_id", max(w."position") AS "position" FROM "webhook_deliveries" w
  JOIN "event_positions" p ON p."tenant_id" = w."tenant_id" AND p."position" = w."position"
  JOIN "events" e ON e."tenant_id" = p."tenant_id" AND e."seq" = p."seq"
  WHERE NOT w."dead" AND e."type" IN ('user.deactivated', 'user.deleted') GROUP BY 1, 2, 3
) l WHERE d."tenant_id" = l."tenant_id" AND d."endpoint_id" = l."endpoint_id" AND d."resource_id" = l."resource_id"
  AND d."position" <= l."position" AND NOT d."dead";
--> statement-breakpoint
-- A queue: vacuumed as soon as it is worth it, and never shortened, for which those who queue would have to wait.
ALTER TABLE "webhook_deliveries" SET (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, vacuum_truncate = off);
