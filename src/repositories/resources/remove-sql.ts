import type { RepositoryScope } from '../scope.ts'
import { appendEvents } from '../sql/append-events.ts'
import { cannotFollowSql, followedPart, movedRoleEvents, movedRolesPart } from '../sql/followed-roles.ts'
import { foundRows } from '../sql/found-rows.ts'
import { memberBatches, memberBatchJson } from '../sql/member-events.ts'
import { nowAfter } from '../sql/now.ts'
import { Parameters, type Statement } from '../sql/parameters.ts'
import { hasRulesSql } from '../sql/role-rules.ts'
import { isActiveUser } from './counts.ts'
import { eventDocument } from './event-document.ts'
import { keeping } from './kept-users.ts'
import type { Removal } from './resource-changes.ts'

/**
 * The statement that deletes resources with their search documents, memberships, counts and events. Gives a row for each that is
 * there. Where another writer has changed one of them at this moment, all are `overtaken` and nothing is done. On Citus each part
 * sees what those before it have changed, so what is kept is read before search documents go.
 */
export function removeStatement(
  { type, targets, eventNoun, keepDays }: Removal,
  scope: RepositoryScope,
  distributed: boolean,
): Statement {
  const parameters = new Parameters()
  const tenant = parameters.bind(scope.tenantId, 'uuid')
  const [request, actor] = [parameters.bind(scope.requestId, 'text'), parameters.bind(scope.actor, 'text')]
  const input = parameters.json(targets.map(({ id, expectedVersion }) => ({ id, expected: expectedVersion })))
  const [target, ...others] = targets
  // With a group, all below it lose roles. For that the caller locks more than a statement does.
  const follows = (scope.hasRoles || scope.hasWrittenRoles) && scope.roleRules !== undefined
  const followed = follows && type.name === 'User' && others.length === 0 ? target : undefined
  const user = followed && parameters.bind(followed.id, 'uuid')
  // Resources of other types are members of no group, so that no role depends on them.
  const isMember = type.name === 'User' || type.name === 'Group'
  const hasRules = isMember ? hasRulesSql(tenant, scope.hasRoles) : 'false'
  const keep = keepDays === undefined ? undefined : keeping(keepDays, tenant, parameters)
  const isGroup = type.name === 'Group'
  const size = isGroup ? `',"memberCount":' || coalesce(s.members, 0) || '}'` : `'}'`
  const ofTenant = (row: string) => `${row}.tenant_id = ${tenant}`
  const joined = foundRows(distributed, ofTenant, 'group_id', 'member_id')
  const documents = foundRows(distributed, ofTenant, 'resource_type', 'resource_id')
  const text = `with input as materialized (
      select * from jsonb_to_recordset(${input}) as i(id uuid, expected bigint)
    ),
    ${user ? `${followedPart(tenant, user, 'null', { unless: 'false', distributed })},` : ''}
    rules as materialized (select ${user ? `${cannotFollowSql(tenant, 'f')} as has_rules from followed f` : `${hasRules} as has_rules`}),
    target as materialized (
      -- In brackets: what is locked and deleted in one statement, Citus 13 reads in another format than it has written.
      select x.*, x.wanted and not x.overtaken as fits from (select l.*, not bool_and(l.version = l.seen) over () as overtaken from (
        -- The lock may have waited for another change. What this statement then sees of the resource's other rows is older.
        select r.id, r.version, (select o.version from resources o where o.tenant_id = ${tenant} and o.id = r.id) as seen,
          (i.expected is null or i.expected = r.version) and not (select has_rules from rules) as wanted
        from resources r join input i on i.id = r.id
        where r.tenant_id = ${tenant} and (r.resource_type = ${parameters.bind(type.name, 'text')}) is true
          and r.id = any(array(select id from input)) order by r.id for update of r
      ) l) x
    ),
    unjoined as (
      delete from memberships m where ${joined.isAmong(
        'm',
        `
        select ${joined.columns('n')} from target t cross join lateral (
          select ${joined.columns('n')} from memberships n where n.tenant_id = ${tenant} and n.member_id = t.id offset 0
        ) n where t.fits
        union
        select ${joined.columns('n')} from target t cross join lateral (
          select ${joined.columns('n')} from memberships n where n.tenant_id = ${tenant} and n.group_id = t.id offset 0
        ) n where t.fits
      `,
      )}
      returning m.group_id, m.member_id
    ),
    removed as (
      delete from resources r using target t where r.tenant_id = ${tenant} and r.id = t.id and t.fits
      returning r.id, r.resource_type, r.version, r.document, r.active, r.unique_key, r.external_id, r.created_at
    ),
    ${keep?.kept ?? ''}
    unsearched as (
      delete from search_documents s where ${documents.isAmong(
        's',
        `
        select ${documents.columns('d')} from removed x cross join lateral (
          select ${documents.columns('d')} from search_documents d
          where d.tenant_id = ${tenant} and d.resource_type = x.resource_type and d.resource_id = x.id offset 0
        ) d
      `,
      )}
    ),
    ${distributed && type.name === 'User' ? keysOfRemoved(tenant) : ''}
    new_version as (
      update resources r set version = r.version + 1, modified_at = ${nowAfter('r.modified_at')}
      where r.tenant_id = ${tenant} and r.id = any(array(select distinct group_id from unjoined))
        and not r.id = any(array(select id from target where fits))
      returning r.id, r.version, r.modified_at
    ),
    ${user ? `${movedRolesPart(tenant, 'exists (select 1 from removed)')},` : ''}
    ${appendEvents(
      {
        ...{ tenant, requestId: request, actor },
        type: keep?.event ?? { sql: parameters.bind(`${eventNoun}.deleted`, 'text') },
        resourceType: 'x.resource_type',
        resourceId: 'x.id',
        version: 'x.version + 1',
        changes: keep?.changes ?? `'{"before":' || ${eventDocument([type], 'x', parameters)} || ${size}`,
        totalDelta: '-1',
        activeDelta: `-(${isActiveUser('x')})::int`,
        from: `removed x ${isGroup ? 'left join (select group_id, count(*) as members from unjoined group by group_id) s on s.group_id = x.id' : ''}`,
      },
      {
        ...{ tenant, requestId: request, actor },
        type: 'group.member_removed',
        resourceType: `'Group'`,
        resourceId: 'b.id',
        version: 'b.version',
        occurredAt: 'b.modified_at',
        changes: memberBatchJson('u.member_id'),
        from: `new_version b join (${memberBatches('select group_id, member_id from unjoined')}) u on u.group_id = b.id
      group by b.id, b.version, b.modified_at, u.batch`,
      },
      ...(user ? [{ tenant, requestId: request, actor, ...movedRoleEvents('role.unassigned', user) }] : []),
    )}
    select t.id::text, t.version::int, exists (select 1 from removed x where x.id = t.id) as removed,
      t.overtaken, (select has_rules from rules) as has_rules from target t`
  return { text, values: parameters.values }
}

/** The part that deletes the keys of users who go. Without Citus a reference does it. */
const keysOfRemoved = (tenant: string) => `unkeyed as (
      delete from api_keys k where k.tenant_id = ${tenant} and k.user_id = any(array(select id from removed))
    ),
    `
