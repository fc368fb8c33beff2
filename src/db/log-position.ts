import { setTimeout as pause } from 'node:timers/promises'
import type { Ask, Gate } from './database.ts'
import { isConnectionFailure } from './errors.ts'

/** How far the log of the primary is. */
export interface Position {
  readonly lsn: string
  readonly timeline: number
  /** Of the server and its copies alone. */
  readonly system: string
}

/**
 * What was committed before this is answered lies before the position. A commit is answered once the log is flushed, except
 * where the server does not wait for that.
 */
const POSITION = `select
  (case current_setting('synchronous_commit') when 'off' then pg_current_wal_insert_lsn()
    else pg_current_wal_flush_lsn() end)::text as lsn,
  ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int as timeline,
  (select system_identifier::text from pg_control_system()) as system`

/** A replica that missed a failover may have replayed as far on the timeline from before it. */
const REPLAYED = `select pg_is_in_recovery() as standby,
  coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false) as replayed,
  greatest((select timeline_id from pg_control_checkpoint()),
    (select min_recovery_end_timeline from pg_control_recovery()))::int = $2::int as current,
  (select system_identifier::text from pg_control_system()) = $3::text as same`

interface Replayed {
  readonly standby: boolean
  readonly replayed: boolean
  readonly current: boolean
  readonly same: boolean
}

/** How long a statement waits at a replica, from its turn on, until the replica has replayed the log far enough. */
const PATIENCE_MS = 500

/** Why a replica cannot answer. */
class CannotAnswer extends Error {}

/** Asks the primary for its position: for all who came before the question was sent, and one question at a time. */
export class Positions {
  #underWay: Promise<unknown> = Promise.resolve()
  #next: Promise<Position> | undefined

  after(ask: Ask): Promise<Position> {
    this.#next ??= this.#underWay.then(() => {
      this.#next = undefined
      const answer = ask(POSITION, [], 'replica-position').then(([row]) => row as Position)
      this.#underWay = answer.catch(() => {})
      return answer
    })
    return this.#next
  }
}

/** Lets a statement run once the replica has replayed the log up to a position. */
export class UntilReplayed implements Gate {
  readonly #position: Promise<Position>
  #refuse: (error: Error) => void = () => {}
  #timer: NodeJS.Timeout | undefined
  #over = false
  /** Rejected when it takes too long. */
  readonly refused = new Promise<never>((_, reject) => {
    this.#refuse = reject
  })
  #standing: 'asks' | 'knows' | 'cannot know' | 'passed' = 'asks'

  constructor(position: Promise<Position>) {
    this.#position = position
    position.then(
      () => {
        this.#standing = 'knows'
      },
      () => {
        this.#standing = 'cannot know'
      },
    )
  }

  /** Whether an error says that the replica is not well. A read that is undone for the log's sake does not, nor a silent primary. */
  isOfReplica(error: unknown): boolean {
    if (this.#standing === 'cannot know') return false
    return this.#standing === 'knows' || isConnectionFailure(error)
  }

  begins(): void {
    const late = () => this.#refuse(new CannotAnswer(`it is behind, or gives no answer within ${PATIENCE_MS} ms`))
    this.#timer = setTimeout(late, PATIENCE_MS)
  }

  async passes(ask: Ask): Promise<void> {
    const { lsn, timeline, system } = await this.#position
    for (let waitMs = 1; ; waitMs *= 2) {
      const [found] = (await ask(REPLAYED, [lsn, timeline, system], 'replica-replayed')) as [Replayed]
      if (this.#over) throw new CannotAnswer('the primary answers already')
      const fault = faultOf(found)
      if (fault !== undefined) throw new CannotAnswer(fault)
      if (found.replayed) break
      await pause(waitMs)
    }
    clearTimeout(this.#timer)
    this.#standing = 'passed'
  }

  end(): void {
    this.#over = true
    clearTimeout(this.#timer)
  }
}

/** What will not be better in a moment. */
function faultOf({ standby, current, same }: Replayed): string | undefined {
  if (!same) return 'it is no copy of the server in DATABASE_URL'
  if (!standby) return 'it is no standby'
  if (!current) return 'it has not followed the last failover yet'
  return undefined
}
