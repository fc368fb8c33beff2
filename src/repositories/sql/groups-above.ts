/**
 * A query for the groups that a resource is in, directly and through groups in groups: `group_id` and `direct`. Cycles end,
 * since `union` adds no row twice. `offset 0` enforces an index look-up in each step: a plan for a plain join may hash all
 * memberships of the tenant.
 *
 * @param tenant parameter that holds the tenant's id, such as `$1::uuid`
 * @param member expression for the resource's id
 */
export const groupsAbove = (tenant: string, member: string): string => `(
    with recursive up(group_id, direct) as (
      select m.group_id, true from memberships m where m.tenant_id = ${tenant} and m.member_id = ${member}
      union
      select above.group_id, false from up cross join lateral (${groupsOf(tenant, 'up.group_id')}) above
    )
    select group_id, bool_or(direct) as direct from up group by group_id
  )`

/**
 * The same for many resources at once, as two tables. `joined` has the groups that each is in directly, and the recursive `above`
 * those that each of these groups is in, directly or not: a group is followed once, however many of the resources are in it.
 *
 * Among many small tenants a plan for all ids at once would read every membership of a large one. So each resource is looked up by
 * itself; or, of resources that follow each other, all in one stretch of the index, which takes less.
 *
 * @param resources a query for the ids of the resources, in a column `id`
 * @param follow whether they are all of a type from the lowest of these ids to the highest
 */
export const groupsAboveEach = (
  tenant: string,
  resources: string,
  follow = false,
): string => `joined(member_id, group_id) as materialized (
      ${follow ? ofStretch(tenant, resources) : `select x.id, m.group_id from (${resources}) x cross join lateral (${groupsOf(tenant, 'x.id')}) m`}
    ), above(group_id, above_id) as (
      select j.group_id, m.group_id from (select distinct group_id from joined) j
        cross join lateral (${groupsOf(tenant, 'j.group_id')}) m
      union
      select a.group_id, m.group_id from above a cross join lateral (${groupsOf(tenant, 'a.above_id')}) m
    )`

const groupsOf = (tenant: string, member: string): string =>
  `select m.group_id from memberships m where m.tenant_id = ${tenant} and m.member_id = ${member} offset 0`

// Groups in groups may lie between the resources. `is true` keeps what leaves them out from being a join, which a plan may begin with.
const ofStretch = (tenant: string, resources: string): string => `select m.member_id, m.group_id from memberships m
      where m.tenant_id = ${tenant}
        and m.member_id >= (select x.id from (${resources}) x order by x.id limit 1)
        and m.member_id <= (select x.id from (${resources}) x order by x.id desc limit 1)
        and (m.member_id in (${resources})) is true`
