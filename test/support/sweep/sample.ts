import { createHash, randomInt } from 'node:crypto'
import { engineName, tenantRole } from '../engines.ts'

/** Of so many combinations one is tried where the sweep is not whole. */
const ONE_IN = 6

/** Which of the combinations of the sweep a run tries. */
export interface Sample {
  /** As the run says it. */
  readonly told: string
  /** Whether it tries those of this name: always the same ones with the same seed. */
  has(name: string): boolean
}

/**
 * All of them on PostgreSQL without row-level security, and wherever `SWEEP=whole` asks for it. Elsewhere one in six, drawn anew for
 * each run, or as `SWEEP_SEED` says: what an id leads to is decided above the engines, and by SQL that they share.
 */
export function sampleOfSweep(): Sample {
  if (process.env.SWEEP === 'whole' || (engineName() === 'postgres' && tenantRole() === undefined))
    return { told: 'whole', has: () => true }
  const seed = process.env.SWEEP_SEED ?? String(randomInt(2 ** 32))
  const drawn = (name: string) => createHash('sha256').update(`${seed} ${name}`).digest().readUInt32BE(0)
  return {
    told: `one in ${ONE_IN} of keys with one permission, SWEEP_SEED=${seed}`,
    has: (name) => drawn(name) < 2 ** 32 / ONE_IN,
  }
}
