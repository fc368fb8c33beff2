import { createRoute, z } from '@hono/zod-openapi'
import { Refusal } from '../../../administration/refusal.ts'
import type { ControlPlane } from '../../../context/control-plane.ts'
import { tellsOf, toldBy } from '../../../history/asking.ts'
import type { TenantId } from '../../../place-ids.ts'
import { HISTORY_BEGINS, type HistoryCursor, historyAnswers, type Period } from '../../../repositories/history/as-of.ts'
import type { SubjectKind } from '../../../repositories/history/moves.ts'
import { isOurId } from '../../../repositories/sql/ids.ts'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import type { AdminApp } from '../../control/env.ts'
import { TENANT } from '../../control/levels.ts'
import { openTenant } from '../../control/open-tenant.ts'
import { jsonAnswer, moment, plainText, problems, tenantParams } from '../../control/schemas.ts'
import {
  after,
  at,
  cursorIn,
  cursorText,
  exampleGrant,
  exampleMember,
  exampleState,
  historyMembers,
  historyPerson,
  historyStates,
  historyStatus,
  limit,
  presentGrant,
  presentMember,
  presentState,
} from './history-shapes.ts'

export const HISTORY = `${TENANT.path}/history`
export const tags = ['History']
const NEEDS =
  'For keys with the permission `directory:read`. 404: the tenant has no history; 409: it does not tell of that time (yet); 410: that time is ' +
  'kept no longer. A page may hold fewer than `limit`, even none: go on while there is a `next`.'
const KINDS: Readonly<Record<'people' | 'groups' | 'roles', readonly SubjectKind[]>> = {
  people: ['User', 'Agent'],
  groups: ['Group'],
  roles: ['Role'],
}

const status = createRoute({
  method: 'get',
  path: `${HISTORY}/status`,
  operationId: 'getHistoryStatus',
  summary: 'Get of which time the history of a tenant tells',
  tags,
  description: 'For keys with the permission `directory:read`.',
  request: { params: tenantParams },
  responses: {
    200: jsonAnswer(historyStatus, 'Whether it is on, and since when', {
      ...{ state: 'on', since: '2026-01-01T00:00:00.000Z', until: null, gaps: [], position: 4711 },
    }),
    ...problems,
  },
})
const list = createRoute({
  method: 'get',
  path: HISTORY,
  operationId: 'listHistory',
  summary: 'List who was there at a time',
  tags,
  description: NEEDS,
  request: {
    params: tenantParams,
    query: z.object({ at, kind: z.enum(['people', 'groups', 'roles']).default('people'), after, limit }),
  },
  responses: {
    200: jsonAnswer(historyStates, 'People, groups or roles', { items: [exampleState], next: null }),
    ...problems,
  },
})
const person = createRoute({
  method: 'get',
  path: `${HISTORY}/users/{id}`,
  operationId: 'getHistoryOfUser',
  summary: 'Get which groups and roles a user had',
  tags,
  description: `${NEEDS} At the time \`at\`; without it, at any time that the history tells of. Groups are those that the person was in directly.`,
  request: {
    params: tenantParams.extend({ id: z.string().openapi({ description: 'Id of the user, who may be gone.' }) }),
    query: z.object({ at: moment.optional(), after, limit }),
  },
  responses: {
    200: jsonAnswer(historyPerson, 'The person, and groups and roles', {
      ...{ states: [exampleState], items: [exampleGrant], next: null },
    }),
    ...problems,
  },
})
const group = createRoute({
  method: 'get',
  path: `${HISTORY}/groups/{id}`,
  operationId: 'getHistoryOfGroup',
  summary: 'List who was in a group at a time',
  tags,
  description: NEEDS,
  request: {
    params: tenantParams.extend({ id: z.string().openapi({ description: 'Id of the group, which may be gone.' }) }),
    query: z.object({ at, after, limit }),
  },
  responses: {
    200: jsonAnswer(historyMembers, 'Direct members', { items: [exampleMember], next: null }),
    ...problems,
  },
})
const role = createRoute({
  method: 'get',
  path: `${HISTORY}/roles/{role}`,
  operationId: 'getHistoryOfRole',
  summary: 'List who had a role at a time',
  tags,
  description: NEEDS,
  request: {
    params: tenantParams.extend({ role: plainText.openapi({ description: 'Key of the role.' }) }),
    query: z.object({ at, after, limit }),
  },
  responses: {
    200: jsonAnswer(historyMembers, 'Who had it by groups or by values', { items: [exampleMember], next: null }),
    ...problems,
  },
})

/** `…/history` of a tenant in the admin API; `adminApi` checks the permission. */
export function historyRoutes(app: AdminApp, control: ControlPlane, policy: OriginPolicy): void {
  /** What answers about a time, which is now without one; with `all`, about all times. @throws {Refusal} where it does not tell of that */
  const answersAt = async (
    c: Parameters<typeof openTenant>[0],
    names: Parameters<typeof openTenant>[1],
    time: string | undefined,
    all = false,
  ) => {
    const { tenant, repositories } = await openTenant(c, names, control, policy)
    const { database } = c.var
    const days = tenant.settings.historyRetentionDays
    const moment = time === undefined ? Date.now() : Date.parse(time)
    const told = await toldBy(database, tenant.id, days)
    // What there is of all times is shown, also where it is switched off now.
    const until = (all ? told.until : null) ?? moment
    await tellsOf(database, tenant.id, told, { from: until, until })
    const period: Period = { from: (all ? told.since : null) ?? moment, until }
    return {
      repositories,
      period,
      tenantId: tenant.id,
      answers: historyAnswers(database, tenant.id, database.caller.time ?? c.req.raw),
    }
  }
  const nextOf = (tenantId: TenantId, cursor: HistoryCursor | undefined) =>
    cursor === undefined ? null : cursorText(tenantId, cursor)

  app.openapi(status, async (c) => {
    const { tenant } = await openTenant(c, c.req.valid('param'), control, policy)
    const { begunAt: _, ...told } = await toldBy(c.var.database, tenant.id, tenant.settings.historyRetentionDays)
    const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
    const gaps = told.gaps.map(({ from, until }) => ({ from: new Date(from).toISOString(), until: time(until) }))
    return c.json({ ...told, since: time(told.since), until: time(told.until), gaps }, 200)
  })

  app.openapi(list, async (c) => {
    const { at, kind, after, limit } = c.req.valid('query')
    const { answers, period, tenantId } = await answersAt(c, c.req.valid('param'), at)
    const { items, next } = await answers.states(period, KINDS[kind], cursorIn(tenantId, after), limit)
    return c.json({ items: items.map(presentState), next: nextOf(tenantId, next) }, 200)
  })

  app.openapi(person, async (c) => {
    const { at, after, limit } = c.req.valid('query')
    const { id, ...names } = c.req.valid('param')
    const { answers, period, tenantId } = await answersAt(c, names, at, at === undefined)
    const found = isOurId(id) ? await answers.numberOf(id) : undefined
    if (found === undefined || found.kind === 'Group' || found.kind === 'Role') throw Refusal.notFound('person', id)
    const states = after === undefined ? (await answers.statesOf(found.number, period, HISTORY_BEGINS, 200)).items : []
    const page = await answers.grantsOf({ subject: found.number }, period, cursorIn(tenantId, after), limit)
    return c.json(
      { states: states.map(presentState), items: page.items.map(presentGrant), next: nextOf(tenantId, page.next) },
      200,
    )
  })

  app.openapi(group, async (c) => {
    const { at, after, limit } = c.req.valid('query')
    const { id, ...names } = c.req.valid('param')
    const { answers, period, tenantId } = await answersAt(c, names, at)
    const found = isOurId(id) ? await answers.numberOf(id) : undefined
    if (found?.kind !== 'Group') throw Refusal.notFound('group', id)
    const { items, next } = await answers.grantsOf({ object: found.number }, period, cursorIn(tenantId, after), limit)
    return c.json({ items: items.map(presentMember), next: nextOf(tenantId, next) }, 200)
  })

  app.openapi(role, async (c) => {
    const { at, after, limit } = c.req.valid('query')
    const { role: key, ...names } = c.req.valid('param')
    const { answers, period, tenantId, repositories } = await answersAt(c, names, at)
    const id = await repositories.roles.idOf(key)
    const found = id === undefined ? undefined : await answers.numberOf(id)
    if (found === undefined) throw Refusal.notFound('role', key)
    const { items, next } = await answers.grantsOf({ object: found.number }, period, cursorIn(tenantId, after), limit)
    return c.json({ items: items.map(presentMember), next: nextOf(tenantId, next) }, 200)
  })
}
