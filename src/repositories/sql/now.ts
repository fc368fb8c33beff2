/** The time of a write, in the precision that `meta` shows: the start of its transaction. */
export const NOW = `date_trunc('milliseconds', now())`
