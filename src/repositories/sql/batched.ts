import DataLoader from 'dataloader'
import type { Database } from '../../db/database.ts'
import { isUnavailable } from '../../db/errors.ts'

/** What is asked of each database now, by what questions have in common. */
const gathering = new WeakMap<Database, Map<string, DataLoader<unknown, unknown>>>()

/** More questions than this are asked by several statements. */
const MOST_BATCHED = 64

/**
 * Asks one question together with all others that are asked under the same name before the event loop turns. Under load
 * requests come many at a time: to start a statement, and to send it, costs several times what one more row of it does. Nobody
 * waits for others to come.
 *
 * @param name tells all that the questions have in common, the tenant first of all
 * @param ask gives an answer to each question, in their order; where the database is not to be had, nobody gets one
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

/** @param asked is told that nobody else is taken in */
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

/** What the database refuses to answer together is asked one by one: what is wrong with one question is nobody else's fault. */
async function answers(ask: Ask, questions: readonly unknown[]): Promise<unknown[]> {
  try {
    return await ask(questions)
  } catch (error) {
    if (questions.length === 1 || isUnavailable(error)) throw error
    return Promise.all(questions.map((question) => ask([question]).then(([answer]) => answer, asError)))
  }
}

/** How the loader is given the failure of one. */
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))
