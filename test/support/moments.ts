/**
 * SQL for a moment so long before the one in a column, for an update that puts a clock on. It goes by way of UTC, since Citus refuses
 * a sum that depends on the session's time zone.
 */
export const earlier = (column: string, interval: string): string =>
  `(${column} at time zone 'UTC' - interval '${interval}') at time zone 'UTC'`
