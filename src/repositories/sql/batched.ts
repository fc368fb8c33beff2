import DataLoader from 'dataloader'
import type { Database } from '../../db/database.ts'
import { isUnavailable } from '../../db/errors.ts'

/** The questions that are being collected for each database, by the name of their batch. */
const collecting = new WeakMap<Database, Map<string, DataLoader<unknown, unknown>>>()

/** The most questions in one statement. */
const MOST_BATCHED = 64

/**
 * Asks a question in one statement with all others of the same name that are asked before the event loop turns. Under load
 * many requests arrive at once, and one more row costs a fraction of one more statement. No question waits for others to
 * arrive.
 *
 * @param name all that the questions of a batch have in common, the tenant above all
 * @param ask answers the questions in their order; when the database is unavailable, all questions fail
 */
export function batched<Question, Answer>(
  db: Database,
  name: string,
  question: Question,
  ask: (questions: readonly Question[]) => Promise<Answer[]>,
): Promise<Answer> {
  const known = collecting.get(db) ?? new Map<string, DataLoader<unknown, unknown>>()
  collecting.set(db, known)
  const loader = known.get(name) ?? loaderOf(ask as Ask, () => known.delete(name))
  known.set(name, loader)
  return loader.load(question) as Promise<Answer>
}

type Ask = (questions: readonly unknown[]) => Promise<unknown[]>

/** @param asked is called when the batch accepts no more questions */
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

/** When the database refuses a batch, each question is asked alone: one faulty question must not fail the others. */
async function answers(ask: Ask, questions: readonly unknown[]): Promise<unknown[]> {
  try {
    return await ask(questions)
  } catch (error) {
    if (questions.length === 1 || isUnavailable(error)) throw error
    return Promise.all(questions.map((question) => ask([question]).then(([answer]) => answer, asError)))
  }
}

/** The loader takes an `Error` as the failure of one question. */
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))
