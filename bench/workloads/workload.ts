import { randomBytes } from 'node:crypto'
import { SIDES, type Side, type World } from '../world.ts'

/** One request; `body` is JSON text. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: string
}

/** Which request: the `turn`-th of a connection, from 0, counted over the whole run. */
export interface Place {
  readonly connection: number
  readonly connections: number
  readonly turn: number
}

/** Which request, in which world. */
export interface Turn extends Place {
  readonly world: World
}

/** What each side is asked in a turn. Some work has no bare form, and some no ceiling at all. */
export type Calls = { readonly [side in Side]?: (turn: Turn) => Call } & { readonly ours: (turn: Turn) => Call }

/** The same on all three sides, each in its own words. */
export const onAllSides = (of: (side: Side) => (turn: Turn) => Call): Calls & Required<Calls> => ({
  ...{ ours: of('ours'), ceiling: of('ceiling'), bare: of('bare') },
})

/** The path of a ceiling's `side`: the bare one is served below a path of its own. */
export const ceilingPath = (side: Side, path: string): string => (side === 'bare' ? `/bare${path}` : path)

/** The sides that can do the work of a case. */
export const sidesOf = ({ calls }: Pick<Case, 'calls'>): readonly Side[] =>
  SIDES.filter((side) => calls[side] !== undefined)

/** One size or form of a workload. */
export interface Case {
  /** Such as `100k`. */
  readonly name: string
  readonly calls: Calls
  /** Throws where the body of an answer is not what was asked for. */
  readonly check?: (body: string, side: Side, turn: Turn) => void
  /** Sees the body of every answer; for a client that has to remember ids. */
  readonly keep?: (body: string, side: Side, turn: Turn) => void
  /** Requests to send on each side in all, in place of a time; for work that can be done once. */
  readonly requests?: number
}

/** Work that is measured on both sides, in one or more cases. */
export interface Workload {
  readonly name: string
  readonly title: string
  readonly connections: number
  /** Milliseconds of a window are multiplied by this; for slow requests. */
  readonly longer?: number
  /** What has to be filled before; by default the tenants of each size. */
  readonly needs?: readonly Filling[]
  cases(world: World): readonly Case[]
}

/** Parts of the world that take time to fill: tenants of each size, the tenant with groups, many small tenants, crowds. */
export type Filling = 'sizes' | 'groups' | 'day' | 'crowds'

/** Tells the names made in this run from those of the last one. */
const run = randomBytes(3).toString('hex')

/** A name that was not there before; the same turn gives the same name. */
export const freshName = (side: Side, { connection, turn }: Turn, label = ''): string =>
  `${label}${side[0]}${run}-${connection}-${turn}`

/** `1000` → `1k`, `1000000` → `1M`. */
export function shortNumber(n: number): string {
  if (n >= 1_000_000 && n % 1_000_000 === 0) return `${n / 1_000_000}M`
  return n >= 1_000 && n % 1_000 === 0 ? `${n / 1_000}k` : String(n)
}

/** Counts the turns of all connections: 0, 1, 2, … with each number given to one connection only. */
export const serial = ({ connection, connections, turn }: Place): number => turn * connections + connection

/** Spreads serial numbers over 0 to `n` - 1 in no order that a cache could like; `n` must be no multiple of 7919. */
export const spread = (i: number, n: number): number => (i * 7_919) % n

/**
 * One of `n` things that this connection has for itself, and how often it has been through all of them: so that what one
 * turn did, the turn a pass later can undo.
 */
export function own({ connection, connections, turn }: Place, n: number): { index: number; pass: number } {
  const each = Math.max(1, Math.floor(n / connections))
  return { index: connection * each + (turn % each), pass: Math.floor(turn / each) }
}

/** @throws an error that says what an answer held in place of what was expected */
export function expect(fits: boolean, what: string, body: string): void {
  if (!fits) throw new Error(`${what}, but the answer was ${body.slice(0, 600)}`)
}
