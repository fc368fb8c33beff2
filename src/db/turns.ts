import { NoTurn, ReaderGone } from './errors.ts'
import type { Reader } from './reader.ts'
import { Siblings, Usage } from './usage.ts'

/** Keeps a turn until the promise is settled, also where the outcome is there before. */
export type Hold = (until: Promise<unknown>) => void

/** Whose turn it is. */
export interface Whose {
  /**
   * `control` is the control plane: its statements are few and quick, each request waits for them, and they go first.
   * `background` is the work behind the requests, which has a small part. All the rest is shared among tenants.
   */
  readonly kind: 'control' | 'tenant' | 'background'
  /** Among those of the same kind. */
  readonly party: string
  /** Within the party, such as its API key. */
  readonly lane: string
}

/** Told of each turn. */
export interface TurnsObserver {
  /** Work has waited so long for its turn, also where the turn did not come in time. */
  waited(whose: Whose, ms: number): void
  /** Work has had its turn for so long. */
  used(whose: Whose, ms: number): void
}

/** How many pieces of work may be under way at once, in all and for whom. */
export interface Shares {
  readonly most: number
  /** Without the control plane, for which one is left over. */
  readonly ofWork: number
  readonly ofTenants: number
  /** Of one tenant while others have work, and while none has. */
  readonly ofTenant: number
  readonly ofLoneTenant: number
  /** Of the work behind the requests while a tenant has work. */
  readonly ofBackground: number
}

/** The shares of so many connections. @param ofTenant the most of one tenant while others have work; without it, half */
export function sharesOf(connections: number, ofTenant = Math.ceil(connections / 2)): Shares {
  const spare = connections < 3 ? 0 : connections < 8 ? 1 : 2
  const ofTenants = connections - spare
  // A tenant that comes while another has all it may finds one that is free.
  const ofLoneTenant = Math.max(1, ofTenants - 1)
  return {
    most: connections,
    ofWork: connections - Math.min(spare, 1),
    ofTenants,
    ofTenant: Math.min(ofTenant, ofLoneTenant),
    ofLoneTenant,
    ofBackground: Math.max(1, Math.floor(connections / 4)),
  }
}

/** Work behind the requests gets one part in so many of the time for which tenants have had connections. */
const BACKGROUND_PART = 8
/** Timers of about the same time share a list in Node. */
const TIMER_STEP_MS = 50

type Work<T> = (hold: Hold, leftMs: number) => Promise<T>

/**
 * Lets so many pieces of work be under way at once, and shares them out fairly where more are wanted. The next turn goes to the
 * tenant that has had the least time, in it to the lane that has had the least, and within a lane to the first that came. Time
 * counts and not number, so that a tenant with slow statements never gets ahead of one with quick ones.
 *
 * The driver has a queue of its own for statements beyond its connections. But postgres.js 3.4.9 slows down with every one that
 * has ever waited there: each leaves a hole, and the driver looks through all holes until the queue is empty once.
 */
export class Turns {
  readonly #shares: Shares
  readonly #now: () => number
  readonly #control = new Party('control')
  readonly #background = new Party('background')
  readonly #tenants = new Siblings<Party>(() => new Party('tenant'))
  /** All tenants together. */
  readonly #all = new Usage()
  /** Tenants that have work. */
  #busy = 0
  #running = 0
  #waiting = 0
  readonly #observer: TurnsObserver | undefined
  readonly #tooLate: (ms: number) => Error

  /**
   * @param tooLate makes the error for work whose turn did not come within so many milliseconds
   * @param now milliseconds on a clock that never goes back; for tests
   * @param observer told of each turn
   */
  constructor(
    shares: Shares,
    tooLate = (ms: number): Error => new NoTurn(ms),
    now = () => performance.now(),
    observer?: TurnsObserver,
  ) {
    this.#shares = shares
    this.#observer = observer
    this.#tooLate = tooLate
    this.#now = now
  }

  /** Work that has its turn. */
  get running(): number {
    return this.#running
  }

  /** Work that waits for its turn. */
  get waiting(): number {
    return this.#waiting
  }

  /**
   * Does `work` when it is its turn, at once if it is. Where it has to wait, it does so for `ms` at the most, and only as long as
   * `reader` does.
   *
   * @throws {ReaderGone} or what `tooLate` makes, and then `work` has not begun; also what `work` throws
   */
  take<T>(whose: Whose, ms: number, reader: Reader | undefined, work: Work<T>): Promise<T> {
    const now = this.#now()
    const party = this.#arrived(whose, now)
    const lane = party.lanes.get(whose.lane)
    if (party.waiting === 0 && this.#mayBegin(party)) {
      this.#observer?.waited(whose, 0)
      return this.#run(whose, party, lane, now, work, ms)
    }
    return new Promise((resolve, reject) => {
      const signal = reader?.signal
      const begin = (begun: number) => {
        stop()
        resolve(this.#run(whose, party, lane, begun, work, ms - (begun - now)))
      }
      const giveUp = (error: Error) => {
        stop()
        this.#dequeued(party, lane, lane.queue.indexOf(begin))
        this.#departed(party)
        reject(error)
        this.#next()
      }
      const gone = () => giveUp(new ReaderGone('the reader of this statement has gone'))
      const timer = setTimeout(() => giveUp(this.#tooLate(ms)), Math.ceil(ms / TIMER_STEP_MS) * TIMER_STEP_MS)
      const stop = () => {
        clearTimeout(timer)
        this.#observer?.waited(whose, this.#now() - now)
        signal?.removeEventListener('abort', gone)
      }
      lane.queue.push(begin)
      this.#waiting++
      party.waiting++
      party.lanes.waits(lane)
      if (party.kind === 'tenant') this.#tenants.waits(party)
      signal?.addEventListener('abort', gone)
      if (signal?.aborted) gone()
    })
  }

  #arrived({ kind, party: name }: Whose, now: number): Party {
    const party = kind === 'tenant' ? this.#tenants.get(name) : kind === 'control' ? this.#control : this.#background
    if (party.present++ > 0) return party
    // After a rest of the one or the others, nothing is owed on either side.
    const due = this.#all.at(now) / BACKGROUND_PART
    if (kind === 'background') party.used = Math.max(party.used, due)
    else if (kind === 'tenant' && this.#busy++ === 0) this.#background.used = Math.min(this.#background.used, due)
    return party
  }

  #departed(party: Party): void {
    if (--party.present > 0) return
    party.lanes.rest()
    if (party.kind === 'tenant' && --this.#busy === 0) this.#tenants.rest()
  }

  #dequeued(party: Party, lane: Lane, place: number): void {
    lane.queue.splice(place, 1)
    this.#waiting--
    party.waiting--
    party.lanes.waits(lane)
    if (party.kind === 'tenant') this.#tenants.waits(party)
  }

  #mayBegin(party: Party): boolean {
    const { most, ofWork, ofTenants, ofTenant, ofLoneTenant, ofBackground } = this.#shares
    if (this.#running >= most) return false
    if (party.kind === 'control') return this.#busy === 0 || party.running < ofWork
    if (this.#all.running + this.#background.running >= ofWork) return false
    if (party.kind === 'background') return party.running < (this.#busy === 0 ? ofLoneTenant : ofBackground)
    return this.#all.running < ofTenants && party.running < (this.#busy === 1 ? ofLoneTenant : ofTenant)
  }

  #run<T>(whose: Whose, party: Party, lane: Lane, begun: number, work: Work<T>, ms: number): Promise<T> {
    this.#running++
    party.lanes.begin(lane, begun)
    if (party.kind === 'tenant') {
      this.#tenants.begin(party, begun)
      this.#all.begin(begun)
    } else party.begin(begun)
    let held: Promise<unknown> | undefined
    const outcome = work((until) => {
      held = until
    }, ms)
    const end = () => {
      const now = this.#now()
      this.#running--
      this.#observer?.used(whose, now - begun)
      party.lanes.end(lane, now, begun)
      if (party.kind === 'tenant') {
        this.#tenants.end(party, now, begun)
        this.#all.end(now, begun)
      } else party.end(now, begun)
      this.#departed(party)
      this.#next()
    }
    const over = () => (held === undefined ? end() : void held.then(end, end))
    outcome.then(over, over)
    return outcome
  }

  /** Begins all that may begin now. */
  #next(): void {
    for (;;) {
      if (this.#control.waiting + this.#background.waiting === 0 && !this.#tenants.waiting) return
      const now = this.#now()
      const party = this.#due(now)
      const lane = party?.lanes.least(now)
      const begin = lane?.queue[0]
      if (party === undefined || lane === undefined || begin === undefined) return
      this.#dequeued(party, lane, 0)
      begin(now)
    }
  }

  #due(now: number): Party | undefined {
    const may = (party: Party) => party.waiting > 0 && this.#mayBegin(party)
    if (may(this.#control)) return this.#control
    const background = may(this.#background) ? this.#background : undefined
    if (background && background.at(now) * BACKGROUND_PART <= this.#all.at(now)) return background
    return this.#tenants.least(now, (party) => this.#mayBegin(party)) ?? background
  }
}

class Lane extends Usage {
  readonly queue: ((begun: number) => void)[] = []

  get waiting(): number {
    return this.queue.length
  }
}

class Party extends Usage {
  readonly kind: Whose['kind']
  readonly lanes = new Siblings<Lane>(() => new Lane())
  /** How much is under way or waits. */
  present = 0
  waiting = 0

  constructor(kind: Whose['kind']) {
    super()
    this.kind = kind
  }
}
