/**
 * What numbering leaves behind for a log, as columns over `tenants t`: stretches for the feed of the environment, which a reader has
 * opened (log/feed-places), and a mark that the log has grown, for a history that is switched on.
 *
 * @param tenant whose history; on Citus a value, as `tenants` does not tell where the rows of a tenant are
 */
export const followed = (
  tenant = 't.id',
): string => `exists (select 1 from environment_feeds f where f.environment_id = t.environment_id and not f.closing) as has_feed,
         exists (select 1 from histories y where y.tenant_id = ${tenant} and y.ended_at is null) as has_history`
