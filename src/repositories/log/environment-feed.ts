import type { Database } from '../../db/database.ts'
import type { EventTypes, LoggedEvent } from '../../events/event.ts'
import type { EnvironmentId, TenantId } from '../../place-ids.ts'
import { accountOfSubject } from '../sql/adoption-parts.ts'
import { Parameters } from '../sql/parameters.ts'
import { eventColumns, type LogPage, numberedEvents, ofTypes } from './event-log.ts'
import { mapsAnything } from './has-mapping.ts'

/** Places searched for one page of some of the events, so that a reader of rare ones makes progress at a bounded cost. */
const SEARCHED_AT_ONCE = 2_000

/** An event in the feed of an environment. */
export interface FeedEvent extends LoggedEvent {
  readonly tenantId: TenantId
  /** Counts the events of the environment from 1. */
  readonly place: number
}

/** A page of a feed. `next` and `head` are places. `trimmed` is above the place asked for where what follows it is lost, else 0. */
export interface FeedPage extends LogPage<FeedEvent> {
  /** Of the feed, in which these places are. */
  readonly id: string
  /** It is over an hour since it was noted that the feed is read. */
  readonly unnoted: boolean
}

/** Which events of a feed are wanted. */
export interface FeedFilter {
  readonly types: EventTypes
  /** Of these tenants; undefined for all. */
  readonly tenants: readonly TenantId[] | undefined
  /** Up to this place, what has been deleted for its age is passed over. */
  readonly forgiven: number
}

/**
 * Up to `limit` events of an environment's tenants after a place; undefined where the feed has not been opened yet. With a filter,
 * `next` may be beyond the last event of the page, and the page may be empty. Events of tenants that are in the environment no longer
 * are left out.
 */
export async function readFeed(
  db: Database,
  environmentId: EnvironmentId,
  after: number,
  limit: number,
  filter: FeedFilter,
): Promise<FeedPage | undefined> {
  const { types, tenants, forgiven } = filter
  const isFiltered = tenants !== undefined || types.types.length + types.nouns.length > 0
  const searched = isFiltered ? Math.max(SEARCHED_AT_ONCE, limit) : limit
  const found = await stretchesOf(db, environmentId, after, searched, filter)
  if (found === undefined) return undefined
  const { id, head, start, stretches, unnoted } = found
  if (start < found.trimmed) return { id, events: [], next: start, head, trimmed: found.trimmed, unnoted }
  const runs = stretches.map(({ tenantId, place, position, size, maps }): Run => {
    const before = position - place
    const [first, last] = [Math.max(position - size, before + start), Math.min(position, before + start + searched)]
    return { tenantId, before, after: first, until: last, strict: place > forgiven, maps }
  })
  const { events, lost } = runs.length === 0 ? NOTHING : await eventsIn(db, runs, types, limit)
  const searchedTo = Math.max(start, Math.min(head, start + searched))
  const next = events.length === limit ? (events.at(-1)?.place ?? searchedTo) : searchedTo
  return { id, events, next, head, trimmed: lost ? start + 1 : 0, unnoted }
}

/** A stretch of a tenant's log, as it stands in a feed. */
interface Stretch {
  readonly tenantId: TenantId
  readonly place: number
  readonly position: number
  readonly size: number
  /** Whether the tenant has a mapping. */
  readonly maps: boolean
}

interface StretchesFound {
  readonly id: string
  readonly head: number
  readonly trimmed: number
  /** The place after which the search began. */
  readonly start: number
  readonly unnoted: boolean
  readonly stretches: readonly Stretch[]
}

/** The stretches that reach into the next `searched` places, of tenants that are in the environment. */
async function stretchesOf(
  db: Database,
  environmentId: EnvironmentId,
  after: number,
  searched: number,
  { tenants, forgiven }: FeedFilter,
): Promise<StretchesFound | undefined> {
  const parameters = new Parameters()
  const environment = parameters.bind(environmentId, 'uuid')
  const [from, pardoned] = [parameters.bind(after, 'bigint'), parameters.bind(forgiven, 'bigint')]
  const until = `x.start + ${parameters.bind(searched, 'int')}`
  const wanted = tenants === undefined ? '' : `where s.tenant_id = any(${parameters.array(tenants, 'uuid')})`
  const stretch = `select s.tenant_id, s.place, s.position, s.size from feed_stretches s where s.environment_id = ${environment}`
  const inOrder = 'order by s.environment_id, s.place'
  const rows = await db.run<Omit<StretchesFound, 'stretches'> & (Stretch | { readonly tenantId: null })>(
    `select f.id::text as id, f.head::float8 as head, f.trimmed::float8 as trimmed, x.start::float8 as start,
       f.read_at < now() - interval '1 hour' as unnoted, s.tenant_id::text as "tenantId", s.place::float8 as place, s.position::float8 as position,
       s.size::float8 as size, s.maps
     from environment_feeds f
     cross join lateral (
       select greatest(${from}, least(f.trimmed, ${pardoned})) as start, e.settings from environments e
       where e.id = ${environment} offset 0
     ) x
     left join lateral (
       select s.*, t.maps from (
         (${stretch} and s.place > x.start and s.place <= ${until} ${inOrder})
         union all
         (${stretch} and s.place > ${until} ${inOrder} limit 1)
       ) s cross join lateral (
         select ${mapsAnything('x.settings')} as maps from tenants t
         where t.id = s.tenant_id and t.environment_id = ${environment} offset 0
       ) t ${wanted}
     ) s on true where f.environment_id = ${environment} and f.complete order by s.place`,
    parameters.values,
    { name: 'feed-read' },
  )
  const [first] = rows
  if (first === undefined) return undefined
  const { id, head, trimmed, start, unnoted } = first
  // The last one may begin behind the places that are searched.
  const reaches = (row: Stretch) => row.place - row.size < start + searched
  const stretches = rows.flatMap((row) => (row.tenantId !== null && reaches(row) ? [row] : []))
  return { id, head, trimmed, start, stretches, unnoted }
}

/** Neighbouring events of one tenant, by their positions. */
interface Run {
  readonly tenantId: TenantId
  /** What a position is more than the place. */
  readonly before: number
  readonly after: number
  readonly until: number
  /** Whether it matters that some of them were deleted for their age. */
  readonly strict: boolean
  readonly maps: boolean
}

const NOTHING = { events: [], lost: false }

/** The events of runs, in their order; and whether some that matter were deleted for their age. */
async function eventsIn(
  db: Database,
  runs: readonly Run[],
  types: EventTypes,
  limit: number,
): Promise<{ readonly events: readonly FeedEvent[]; readonly lost: boolean }> {
  const parameters = new Parameters()
  const tenants = runs.map(({ tenantId }) => tenantId)
  const list = (values: readonly (number | boolean)[]) => parameters.bind(`{${values.join(',')}}`)
  const named = `with runs as materialized (
      select r.* from unnest(${parameters.array(tenants, 'uuid')}, ${list(runs.map(({ after }) => after))}::text::bigint[],
        ${list(runs.map(({ until }) => until))}::text::bigint[], ${list(runs.map(({ strict }) => strict))}::text::boolean[])
        with ordinality r(tenant_id, after, until, strict, n)
    )`
  const valuesOfRuns = [...parameters.values]
  const wanted = `p.position > r.after and p.position <= r.until${ofTypes(types, parameters)}`
  const size = Math.trunc(limit)
  const columns = (account: string) => `r.n::int as n, ${eventColumns(account)}`
  // Citus joins what lies on one machine, and has no look-up for each row.
  const events = db.distributed
    ? `select ${columns('a.account_id')} from runs r join event_positions p on p.tenant_id = r.tenant_id
       join events e on e.tenant_id = p.tenant_id and e.seq = p.seq
       left join accounts a on a.tenant_id = e.tenant_id and a.user_id = e.resource_id and e.resource_type = 'User' where ${wanted} order by r.n, p.position limit ${size}`
    : `select e.* from runs r cross join lateral (
         select ${columns(accountOfSubject('e', 'e.tenant_id'))} from ${numberedEvents('r.tenant_id')} where p.tenant_id = r.tenant_id and ${wanted}
         order by p.position limit ${size}
       ) e order by e.n, e.position limit ${size}`
  const trimmed = db.distributed
    ? 'select 1 from runs r join event_logs l on l.tenant_id = r.tenant_id and l.trimmed > r.after where r.strict'
    : `select 1 from runs r cross join lateral (
         select l.trimmed from event_logs l where l.tenant_id = r.tenant_id limit 1
       ) l where r.strict and l.trimmed > r.after`
  type Row = LoggedEvent & { readonly n: number | null; readonly lost: boolean }
  const rows = db.distributed
    ? await db.run<Row>(`${named} ${events}`, parameters.values, { name: 'feed-read' })
    : await db.run<Row>(
        `${named} select g.lost, x.* from (select exists (${trimmed}) as lost) g left join (${events}) x on true
         order by x.n, x.position`,
        parameters.values,
        { name: 'feed-read' },
      )
  // After the events: what was deleted between the two is told of.
  const lost = db.distributed
    ? (await db.run(`${named} ${trimmed} limit 1`, valuesOfRuns, { name: 'feed-read' })).length > 0
    : rows[0]?.lost === true
  const found = rows.flatMap(({ n, lost: _, ...event }): FeedEvent[] => {
    const run = n === null ? undefined : runs[n - 1]
    return run === undefined
      ? []
      : [{ ...event, tenantId: run.tenantId, place: event.position - run.before, maps: run.maps }]
  })
  return { events: found, lost }
}

/** Those of some tenants that are in an environment. */
export async function tenantsAmong(
  db: Database,
  environmentId: EnvironmentId,
  ids: readonly TenantId[],
): Promise<TenantId[]> {
  const parameters = new Parameters()
  const rows = await db.run<{ id: TenantId }>(
    `select t.id::text as id from unnest(${parameters.array(ids, 'uuid')}) x(id) cross join lateral (
       select t.id from tenants t where t.id = x.id and t.environment_id = ${parameters.bind(environmentId, 'uuid')} limit 1
     ) t`,
    parameters.values,
    { name: 'feed-read' },
  )
  return rows.map(({ id }) => id)
}
