import type { Options } from './options.ts'
import { workloads } from './workloads/index.ts'
import type { Filling, Workload } from './workloads/workload.ts'

/** What is measured besides workloads, and what has to be filled for it. */
const BESIDES = {
  costs: ['sizes', 'groups'],
  'role-rules': ['crowds'],
  'round-trips': ['sizes', 'groups'],
  memory: ['sizes', 'groups'],
  image: [],
  written: ['groups'],
  start: [],
  fresh: [],
  fair: [],
  tenants: [],
  webhooks: ['sizes'],
  'request-log': ['sizes'],
  'request-log-rows': [],
  peers: [],
  flame: ['sizes'],
} as const satisfies Record<string, readonly Filling[]>
export type Beside = keyof typeof BESIDES

/** What a quick run has no time for, unless it is named. */
const NOT_QUICK: readonly Beside[] = ['written', 'start', 'fresh', 'fair', 'tenants', 'request-log-rows']

/** What a run is to do. */
export interface Parts {
  readonly workloads: readonly Workload[]
  readonly besides: ReadonlySet<Beside>
  readonly fill: ReadonlySet<Filling>
}

/**
 * Chooses the parts that `--only` names: the one that is called so, else all whose names begin so. Without it all are done,
 * but for those that a quick run leaves out. `--without` names what is left out, in the same way.
 *
 * @throws where a name fits nothing
 */
export function chosenParts({ quick, only, without, peers, flame }: Options): Parts {
  const besides = Object.keys(BESIDES) as Beside[]
  const names = [...workloads.map(({ name }) => name), ...besides]
  const left = new Set([...(peers ? [] : ['peers']), ...(flame ? [] : ['flame']), ...(quick ? NOT_QUICK : [])])
  const usual = names.filter((name) => !left.has(name))
  const unwanted = new Set(without.flatMap((name) => namesFor(name, names)))
  const wanted = only.length === 0 ? usual : only.flatMap((name) => namesFor(name, names))
  const taken = new Set(wanted.filter((name) => !unwanted.has(name)))
  const chosen = workloads.filter(({ name }) => taken.has(name))
  const alone = besides.filter((name) => taken.has(name))
  const fill = [...chosen.flatMap(({ needs = ['sizes'] }) => needs), ...alone.flatMap((name) => BESIDES[name])]
  return { workloads: chosen, besides: new Set(alone), fill: new Set(fill) }
}

function namesFor(wanted: string, names: readonly string[]): readonly string[] {
  const found = names.includes(wanted) ? [wanted] : names.filter((name) => name.startsWith(wanted))
  if (found.length === 0) throw new Error(`there is no part "${wanted}"; there are ${names.join(', ')}`)
  return found
}
