import { type Database, READERS } from '../../db/database.ts'
import { FIRST_ID } from '../sql/ids.ts'
import { queuedTenants, waitingEndpoints } from './due-deliveries.ts'

/** What waits behind the requests, and what ends soon, of all instances together. Each count ends at `MOST_COUNTED`. */
export interface Backlog {
  /** Deliveries: to be sent now, later (under way, or after a failure), behind an earlier one of the resource, or given up. */
  readonly deliveries: Readonly<Record<'due' | 'later' | 'behind' | 'dead', number>>
  /**
   * For how many milliseconds a delivery is due that nobody sends; null where none is late. Receivers that fail do not count, nor
   * do those to which something is under way: a receiver that is slow says nothing about the gateway.
   */
  readonly lateMs: number | null
  /** Webhooks and streams with something in their queue. */
  readonly receivers: readonly {
    readonly kind: 'webhook' | 'push' | 'poll'
    readonly state: 'well' | 'failing' | 'resting' | 'disabled'
    readonly count: number
  }[]
  /** Events that have no position yet, and for how long the oldest one waits; null where there is none. */
  readonly unnumbered: number
  readonly unnumberedMs: number | null
  /** Tenants whose events the leaver brake holds. */
  readonly holds: number
  /** Tenants that are not paused, and whose identity provider is silent for longer than usual, or refused. */
  readonly troubled: Readonly<Record<'silent' | 'failing', number>>
  /** API keys: expired in the last seven days, or expiring within seven or thirty days. No revoked ones, and none with a successor. */
  readonly keys: Readonly<Record<'expired' | 'week' | 'month', number>>
}

/** Counting ends here, so that a look costs the same however much waits. */
export const MOST_COUNTED = 10_000
/** Looks into the queues of tenants, all endpoints together, for the oldest that is late. Each endpoint has some of them. */
const MOST_LOOKS = 10_000
const LEAST_LOOKS = 20

const LATE = `select (extract(epoch from now() - min(q.due)) * 1000)::float8 from waiting x cross join lateral (
       select w.id from webhook_endpoints w where w.id = x.id and w.enabled and w.failing_since is null
         and w.resume_at is null and w.stream->>'method' is distinct from 'poll' offset 0
     ) w cross join lateral (
       select min(t.due) filter (where t.due <= now()) as due, bool_or(exists (
           select 1 from webhook_deliveries d where d.endpoint_id = w.id and d.tenant_id = t.id and not d.dead
             and d.due_at > now() and d.due_at < 'infinity')) as claimed
       from (${queuedTenants('w.id', `'${FIRST_ID}'`, 'not d.dead', '(select looks from shared)')} select q.id, q.due from queued q) t
     ) q where not q.claimed`

/** The same on Citus, where each machine sums up its queues. */
const LATE_OF_SUMS = `select (extract(epoch from now() - min(q.due)) * 1000)::float8 from (
       select s.endpoint_id, min(s.due) as due, bool_or(s.claimed) as claimed from sums s group by s.endpoint_id
     ) q join webhook_endpoints w on w.id = q.endpoint_id where not q.claimed and w.enabled and w.failing_since is null
       and w.resume_at is null and w.stream->>'method' is distinct from 'poll'`

const SUMS = `sums as materialized (
       select d.endpoint_id, d.tenant_id, min(d.due_at) filter (where d.due_at <= now()) as due,
         bool_or(d.due_at > now() and d.due_at < 'infinity') as claimed
       from webhook_deliveries d where not d.dead group by d.endpoint_id, d.tenant_id
     ),
     waiting as materialized (select distinct s.endpoint_id as id from sums s)`

const KINDS = `case when w.stream is null then 'webhook' when w.stream->>'method' = 'poll' then 'poll' else 'push' end`
const STATES = `case when not w.enabled then 'disabled' when w.resume_at is not null then 'resting'
           when w.failing_since is not null then 'failing' else 'well' end`

const backlogSql = (
  distributed: boolean,
) => `with ${distributed ? SUMS : `recursive ${waitingEndpoints(`'${FIRST_ID}'`)}`},
     shared(looks) as materialized (
       select greatest(${LEAST_LOOKS}, ${MOST_LOOKS} / greatest(count(x.id), 1)) from waiting x
     ),
     queue as materialized (
       select d.due_at from webhook_deliveries d where not d.dead
       order by d.endpoint_id, d.tenant_id, d.due_at limit ${MOST_COUNTED}
     ),
     dead as materialized (
       select 1 from webhook_deliveries d where d.dead order by d.endpoint_id, d.tenant_id, d.position limit ${MOST_COUNTED}
     ),
     receivers as materialized (
       select ${KINDS} as kind, ${STATES} as state, count(*) as count from waiting x cross join lateral (
         select w.enabled, w.stream, w.resume_at, w.failing_since from webhook_endpoints w where w.id = x.id offset 0
       ) w group by 1, 2
     ),
     fresh as materialized (
       select w.tenant_id, w.seq from waiting_events w order by w.tenant_id, w.seq limit ${MOST_COUNTED}
     ),
     troubled as materialized (
       select c.tenant_id, c.state from connections c where c.state <> 'well'
       order by c.environment_id, c.tenant_id limit ${MOST_COUNTED}
     ),
     keys as materialized (
       select x.expires_at from (
         select s.key_id, s.expires_at from api_key_secrets s
         where s.expires_at > now() - interval '7 days' and s.expires_at <= now() + interval '30 days'
           and s.ends_at is null and not s.ends_on_use
         order by s.expires_at limit ${MOST_COUNTED}
       ) x cross join lateral (select k.revoked_at from api_keys k where k.id = x.key_id offset 0) k where k.revoked_at is null
     )
     select (
       select json_build_object('due', count(*) filter (where q.due_at <= now()), 'behind', count(*) filter (where q.due_at = 'infinity'),
         'later', count(*) filter (where q.due_at > now() and q.due_at < 'infinity'), 'dead', (select count(*) from dead)) from queue q
     ) as deliveries,
     (${distributed ? LATE_OF_SUMS : LATE}) as "lateMs",
     (select coalesce(json_agg(r), '[]') from receivers r) as receivers,
     (select count(*)::int from fresh) as unnumbered,
     (select (extract(epoch from now() - e.occurred_at) * 1000)::float8
       from (select f.tenant_id, f.seq from fresh f order by f.seq limit 1) o ${
         distributed
           ? 'join events e on e.tenant_id = o.tenant_id and e.seq = o.seq'
           : `cross join lateral (
         select e.occurred_at from events e where e.tenant_id = o.tenant_id and e.seq = o.seq limit 1
       ) e`
       }
     ) as "unnumberedMs",
     (select count(*)::int from (
       select 1 from event_logs l where l.hold_id is not null order by l.tenant_id limit ${MOST_COUNTED}
     ) l) as holds,
     (select json_build_object('silent', count(*) filter (where x.state = 'silent'), 'failing', count(*) filter (where x.state = 'failing'))
       from troubled x join tenants t on t.id = x.tenant_id where not t.paused
     ) as troubled,
     (select json_build_object('expired', count(*) filter (where k.expires_at <= now()),
       'week', count(*) filter (where k.expires_at > now() and k.expires_at <= now() + interval '7 days'),
       'month', count(*) filter (where k.expires_at > now())) from keys k
     ) as keys`

const [BACKLOG, BACKLOG_ON_CITUS] = [backlogSql(false), backlogSql(true)]

/** Asks for all of it in one statement, which takes the time of a read at the most. */
export async function backlogOf(db: Database): Promise<Backlog> {
  const [row] = await db.run<Backlog>(db.distributed ? BACKLOG_ON_CITUS : BACKLOG, [], {
    name: 'metrics',
    reader: READERS,
  })
  if (row === undefined) throw new Error('the backlog was not counted')
  return row
}
