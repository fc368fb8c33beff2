import DataLoader from 'dataloader'
import type { Database, Reader } from '../../db/database.ts'
import { isUnavailable } from '../../db/errors.ts'

/** A question, and who waits for the answer. */
interface Asked<Question> {
  readonly question: Question
  readonly reader: Reader | undefined
}

type Loader = DataLoader<Asked<unknown>, unknown>

/** The questions that are being collected for each database, by the name of their batch. */
const collecting = new WeakMap<Database, Map<string, Loader>>()

/** The most questions in one statement. */
const MOST_BATCHED = 64

/**
 * Asks a question in one statement with all others of the same name that are asked before the event loop turns. Under load
 * many requests arrive at once, and one more row costs a fraction of one more statement. No question waits for others to
 * arrive.
 *
 * @param name all that the questions of a batch have in common, the tenant above all
 * @param asked a question, and who waits for the answer
 * @param ask answers the questions in their order, for the readers together; when the database is unavailable, all questions fail
 */
export function batched<Question, Answer>(
  db: Database,
  name: string,
  asked: Asked<Question>,
  ask: (questions: readonly Question[], readers: Reader) => Promise<Answer[]>,
): Promise<Answer> {
  const known = collecting.get(db) ?? new Map<string, Loader>()
  collecting.set(db, known)
  const loader = known.get(name) ?? loaderOf(ask as Ask, () => known.delete(name))
  known.set(name, loader)
  return loader.load(asked) as Promise<Answer>
}

type Ask = (questions: readonly unknown[], readers: Reader) => Promise<unknown[]>

/** @param asked is called when the batch accepts no more questions */
function loaderOf(ask: Ask, asked: () => void) {
  return new DataLoader<Asked<unknown>, unknown>((all) => answers(ask, all), {
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
async function answers(ask: Ask, all: readonly Asked<unknown>[]): Promise<unknown[]> {
  const askFor = (some: readonly Asked<unknown>[]) =>
    ask(
      some.map(({ question }) => question),
      new Readers(some.map(({ reader }) => reader)),
    )
  try {
    return await askFor(all)
  } catch (error) {
    if (all.length === 1 || isUnavailable(error)) throw error
    return Promise.all(all.map((one) => askFor([one]).then(([answer]) => answer, asError)))
  }
}

/** Several readers as one, who leaves when the last of them has left. Their signals are made when somebody asks for them. */
class Readers implements Reader {
  readonly #readers: readonly (Reader | undefined)[]

  constructor(readers: readonly (Reader | undefined)[]) {
    this.#readers = readers
  }

  get signal(): AbortSignal | undefined {
    const signals = this.#readers.map((reader) => reader?.signal)
    if (signals.length === 1) return signals[0]
    const all = new AbortController()
    let there = signals.length
    const left = () => {
      there--
      if (there === 0) all.abort()
    }
    for (const signal of signals) {
      if (signal === undefined) return undefined
      if (signal.aborted) left()
      else signal.addEventListener('abort', left, { once: true })
    }
    return all.signal
  }
}

/** The loader takes an `Error` as the failure of one question. */
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))
