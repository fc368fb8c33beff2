/** The most members in one event, so that no row of the log grows with the group. */
const MEMBERS_PER_EVENT = 1000

/**
 * Numbers rows `(group_id, member_id, …)` in batches, each of which becomes one event of its group.
 *
 * @param apart columns beside the group that are the same within a batch
 */
export const memberBatches = (rows: string, apart = ''): string =>
  `select *, (row_number() over (partition by group_id${apart}) - 1) / ${MEMBERS_PER_EVENT} as batch from (${rows}) moves`

/** The `changes` of an event with a batch of members. */
export const memberBatchJson = (member: string): string => `json_build_object('members', json_agg(${member}))::text`
