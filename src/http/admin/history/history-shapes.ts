import { z } from '@hono/zod-openapi'
import { Refusal } from '../../../administration/refusal.ts'
import { QUARTER_PATTERN, quarterOf } from '../../../history/quarter.ts'
import type { TenantId } from '../../../place-ids.ts'
import {
  type GrantFound,
  HISTORY_BEGINS,
  type HistoryCursor,
  type Known,
  type Period,
  type StateFound,
} from '../../../repositories/history/as-of.ts'
import type { Span } from '../../../repositories/history/spans.ts'
import { EXAMPLE } from '../../control/examples.ts'
import { moment, next } from '../../control/schemas.ts'

const change = z
  .object({
    time: z.string(),
    position: z.int().openapi({ description: 'Of the event in the log, which may be kept no longer.' }),
    requestId: z.string().nullable().openapi({ description: 'Null where the gateway does not know it.' }),
    actor: z.string().nullable().openapi({ description: 'Id of the API key that asked.' }),
  })
  .openapi('HistoryChange', { description: 'When something began or ended, and by which request.' })
const granted = z
  .union([change, z.null()])
  .openapi({ description: 'Null where it was so already when the history began.' })
const taken = z
  .union([change, z.null()])
  .openapi({ description: 'Null while it lasts; it may be later than the time that you ask about.' })

const who = {
  id: z.string().nullable().openapi({ description: 'Null once the person was erased.' }),
  number: z
    .int()
    .openapi({ description: 'Stands for one person, group or role in this history, also once it was erased.' }),
  name: z.string().nullable().openapi({
    description: 'userName, displayName of a group, or key of a role, as it was then; null once the person was erased.',
  }),
}
export const historyState = z
  .object({
    ...who,
    kind: z.string(),
    active: z.boolean().nullable().openapi({ description: 'Null for groups and roles.' }),
    granted,
    taken,
  })
  .openapi('HistoryState', {
    description: 'From when until when somebody or something was there, under one name, active or not.',
  })
export const historyGrant = z
  .object({ ...who, kind: z.enum(['group', 'role']), granted, taken })
  .openapi('HistoryGrant', { description: 'From when until when somebody had a group or role.' })
export const historyMember = z
  .object({ ...who, kind: z.string(), active: z.boolean().nullable(), granted, taken })
  .openapi('HistoryMember', { description: 'From when until when somebody was in a group, or had a role.' })

const shapeOf = <T extends z.ZodType>(item: T, name: string) => z.object({ items: z.array(item), next }).openapi(name)
export const historyStates = shapeOf(historyState, 'HistoryStateList')
export const historyMembers = shapeOf(historyMember, 'HistoryMemberList')
export const historyPerson = z
  .object({
    states: z.array(historyState).openapi({ description: 'On the first page alone, and up to 200.' }),
    items: z.array(historyGrant),
    next,
  })
  .openapi('HistoryPerson')
export const historyStatus = z
  .object({
    state: z.enum(['off', 'beginning', 'on', 'ended']).openapi({
      description:
        '`off`: it was never on; `beginning`: its starting picture is being taken; `ended`: it was switched off, and tells of the time before.',
    }),
    since: z.string().nullable().openapi({ description: 'It tells of all times from then on, but for gaps.' }),
    until: z.string().nullable(),
    gaps: z.array(z.object({ from: z.string(), until: z.string().nullable() })),
    position: z.int().nullable().openapi({ description: 'Events up to this position of the log are in it.' }),
  })
  .openapi('HistoryStatus')

/** Where a page begins. A cursor is good for its own tenant alone, so that it says nothing of another. */
export const cursorText = (tenantId: TenantId, [first, second, position]: HistoryCursor): string =>
  `${markOf(tenantId)}.${first}.${second}.${position}`

/** @throws {Refusal} 400 for a text that is no cursor of the tenant */
export function cursorIn(tenantId: TenantId, text: string | undefined): HistoryCursor {
  if (text === undefined) return HISTORY_BEGINS
  const [, mark, first, second, position] = /^([0-9a-f]{12})\.(\d{1,10})\.(\d{1,10})\.(\d{1,15})$/.exec(text) ?? []
  if (mark !== markOf(tenantId)) throw new Refusal(400, 'after must be the "next" of an answer about the same tenant.')
  return [Number(first), Number(second), Number(position)]
}

const markOf = (tenantId: TenantId): string => tenantId.slice(-12)

export const after = z.string().max(60).optional()
export const limit = z.coerce.number().int().min(1).max(200).default(50)
export const at = moment.optional().openapi({ description: 'The time that the answer is about; now, by default.' })

export const exportQuery = {
  quarter: z.string().regex(new RegExp(QUARTER_PATTERN), 'must be a quarter such as 2026-Q1').optional().openapi({
    description:
      'A quarter that is over (UTC), in place of `from` and `until`. Without any of these, it is all the time of which the history tells.',
    example: '2026-Q1',
  }),
  from: moment.optional(),
  until: moment.optional(),
  format: z.enum(['csv', 'json']).default('csv'),
}

/** The time that a query names; undefined where it names none. */
export function periodIn(query: {
  readonly quarter?: string | undefined
  readonly from?: string | undefined
  readonly until?: string | undefined
}): Period | undefined {
  const { quarter, from, until } = query
  if (quarter !== undefined) return from === undefined && until === undefined ? quarterOf(quarter) : undefined
  if (from === undefined || until === undefined) return undefined
  const period = { from: Date.parse(from), until: Date.parse(until) }
  return period.from <= period.until ? period : undefined
}

const time = (ms: number): string => new Date(ms).toISOString()
const spanOf = (span: Span) => ({
  granted:
    span.fromRequest === null
      ? null
      : { time: time(span.fromAt), position: span.fromPosition, requestId: span.fromRequest, actor: span.fromActor },
  taken:
    span.toAt === null || span.toPosition === null
      ? null
      : { time: time(span.toAt), position: span.toPosition, requestId: span.toRequest, actor: span.toActor },
})
const knownOf = ({ id, number, name }: Known) => ({ id, number, name: name === '' ? null : name })

export const presentState = (state: StateFound): z.infer<typeof historyState> => ({
  ...{ ...knownOf(state), kind: state.kind ?? '', active: state.active, ...spanOf(state) },
})
export const presentGrant = ({ object, subject: _, ...span }: GrantFound): z.infer<typeof historyGrant> => ({
  ...{ ...knownOf(object), kind: object.kind === 'Role' ? 'role' : 'group', ...spanOf(span) },
})
export const presentMember = ({ object: _, subject, ...span }: GrantFound): z.infer<typeof historyMember> => ({
  ...{ ...knownOf(subject), kind: subject.kind ?? '', active: subject.active, ...spanOf(span) },
})

const asked = { requestId: EXAMPLE.requestId, actor: EXAMPLE.apiKeyId }
const begun = { time: EXAMPLE.created, position: 4711, ...asked }
export const exampleState: z.infer<typeof historyState> = {
  ...{
    id: EXAMPLE.userId,
    number: 17,
    name: 'ada@acme.example',
    kind: 'User',
    active: true,
    granted: begun,
    taken: null,
  },
}
export const exampleGrant: z.infer<typeof historyGrant> = {
  ...{ id: EXAMPLE.groupId, number: 4, name: 'Engineers', kind: 'group', granted: begun, taken: null },
}
export const exampleMember: z.infer<typeof historyMember> = { ...exampleState }
