/** The time of a write, in the precision that `meta` shows: the start of its transaction. */
export const NOW = `date_trunc('milliseconds', now())`

/**
 * The time of a write to a row that was last written at `before`: always a later one. The sum goes by way of UTC. That of a moment
 * and an interval depends on the session's time zone, for which Citus refuses it in an update.
 */
export const nowAfter = (before: string): string =>
  `greatest(${NOW}, (${before} at time zone 'UTC' + interval '1 millisecond') at time zone 'UTC')`
