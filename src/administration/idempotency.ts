import { recorded } from '../repositories/control/control-revision.ts'
import {
  findAnswer,
  keepAnswer,
  lockIdempotencyKey,
  type RepeatableRequest,
  type StoredAnswer,
} from '../repositories/control/idempotency-keys.ts'
import type { Administration } from './change.ts'
import { Refusal } from './refusal.ts'

/** How work under an idempotency key came out. */
export type Outcome = { readonly kind: 'done' } | { readonly kind: 'repeated'; readonly answer: StoredAnswer }

/**
 * Runs work once for each idempotency key of a client (draft-ietf-httpapi-idempotency-key-header). The work, its changes and
 * its answer are one transaction: either all of it is there afterwards or nothing, and then the key is free again.
 */
export function idempotency() {
  // The embedded engine has one session, and a session never waits for its own locks; so requests of one process wait here.
  const underWay = new Set<string>()

  return {
    /**
     * @param work gives the answer to keep; undefined undoes what it has changed
     * @throws {Refusal} 409 while the same key is at work, 422 where it was for another request
     */
    async once(
      administration: Administration,
      request: RepeatableRequest,
      work: (inside: Administration) => Promise<Omit<StoredAnswer, 'fingerprint'> | undefined>,
    ): Promise<Outcome> {
      const name = JSON.stringify([request.actor, request.key])
      if (underWay.has(name)) throw stillUnderWay()
      underWay.add(name)
      try {
        const outcome = await inOneTransaction(administration, request, work)
        if (outcome.kind === 'done') administration.changed()
        return outcome
      } catch (error) {
        if (error instanceof Undone) return { kind: 'done' }
        throw error
      } finally {
        underWay.delete(name)
      }
    },
  }
}

function inOneTransaction(
  { database, ...administration }: Administration,
  request: RepeatableRequest,
  work: (inside: Administration) => Promise<Omit<StoredAnswer, 'fingerprint'> | undefined>,
): Promise<Outcome> {
  const { fingerprint } = request
  return database.transaction((tx) =>
    recorded(tx, administration.author, async (record): Promise<Outcome> => {
      if (!(await lockIdempotencyKey(tx, request))) throw stillUnderWay()
      const answer = await findAnswer(tx, request)
      if (answer !== undefined && answer.fingerprint !== fingerprint)
        throw new Refusal(
          422,
          'This Idempotency-Key was used for another request in the last 24 hours; take a new one.',
        )
      if (answer !== undefined) return { kind: 'repeated', answer }
      const made = await work({ ...administration, database: tx, record })
      if (made === undefined) throw new Undone()
      await keepAnswer(tx, request, { ...made, fingerprint })
      return { kind: 'done' }
    }),
  )
}

/** Ends a transaction whose work was refused; the refusal has been answered already. */
class Undone extends Error {}

const stillUnderWay = () =>
  new Refusal(409, 'The request with this Idempotency-Key is still under way; send it again when it is done.')
