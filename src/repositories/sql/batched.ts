import DataLoader from 'dataloader'
import type { Database } from '../../db/database.ts'
import { isUnavailable } from '../../db/errors.ts'

/** The batches that are open now for each database, by their names. */
const gathering = new WeakMap<Database, Map<string, DataLoader<unknown, unknown>>>()

/** More questions than this are asked by several statements. */
const MOST_BATCHED = 64

/**
 * Asks one question together with all others of the same name that come before the event loop turns. Under load requests come
 * many at a time, and starting and sending a statement costs several times as much as one more row of it. No request waits for
 * others to come.
 *
 * @param name tells all that the questions have in common, the tenant first of all
 * @param ask gives an answer to each question, in their order; where the database is not available, no question gets one
 */
export function batched<Question, Answer>(
  db: Database,
  name: string,
  question: Question,
  ask: (questions: readonly Question[]) => Promise<Answer[]>,
): Promise<Answer> {
  const known = gathering.get(db) ?? new Map<string, DataLoader<unknown, unknown>>()
  gathering.set(db, known)
  const loader = known.get(name) ?? loaderOf(ask as Ask, () => known.delete(name))
  known.set(name, loader)
  return loader.load(question) as Promise<Answer>
}

type Ask = (questions: readonly unknown[]) => Promise<unknown[]>

/** @param asked is called when the batch is closed to further questions */
function loaderOf(ask: Ask, asked: () => void) {
  return new DataLoader<unknown, unknown>((questions) => answers(ask, questions), {
    cache: false,
    maxBatchSize: MOST_BATCHED,
    batchScheduleFn: (send) =>
      setImmediate(() => {
        asked()
        send()
      }),
  })
}

/** Questions that the database refuses together are asked one by one: what is wrong with one must not fail the others. */
async function answers(ask: Ask, questions: readonly unknown[]): Promise<unknown[]> {
  try {
    return await ask(questions)
  } catch (error) {
    if (questions.length === 1 || isUnavailable(error)) throw error
    return Promise.all(questions.map((question) => ask([question]).then(([answer]) => answer, asError)))
  }
}

/** The failure of one question, as the loader takes it. */
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))
