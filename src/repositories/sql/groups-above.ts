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
      select above.group_id, false from up cross join lateral (
        select m.group_id from memberships m where m.tenant_id = ${tenant} and m.member_id = up.group_id offset 0
      ) above
    )
    select group_id, bool_or(direct) as direct from up group by group_id
  )`

/**
 * The same for many resources at once, as a recursive table `above`, in which a group may be both direct and not. One search for
 * all users of a page costs half of one for each.
 *
 * @param resources a query for the ids of the resources
 */
export const groupsAboveEach = (tenant: string, resources: string): string => `above(member_id, group_id, direct) as (
      select m.member_id, m.group_id, true from memberships m
      where m.tenant_id = ${tenant} and m.member_id = any(array(${resources}))
      union
      select above.member_id, up.group_id, false from above cross join lateral (
        select m.group_id from memberships m where m.tenant_id = ${tenant} and m.member_id = above.group_id offset 0
      ) up
    )`
