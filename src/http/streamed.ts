import type { Passage } from './in-flight.ts'

/** How much a client has to take within the time that is left to it, and what is encoded for it in one go. */
const PIECE_BYTES = 65_536

/** What becomes of an answer that goes out bit by bit, besides its end. */
export interface Outcome {
  /** Nothing is to be sent any more, for whatever reason. */
  readonly over?: () => void
  /** What is still to be sent cannot be made. The reader has lost its connection then, since its answer is not whole. */
  readonly failed?: (error: unknown) => void
}

/**
 * A body of texts, each made when the client has taken the one before. A client that takes nothing for a while loses its
 * connection; an answer that breaks off never looks whole.
 *
 * @param passage left when all is sent, or the reader has gone
 */
export function streamed(
  texts: AsyncGenerator<string | Uint8Array, void>,
  passage: Passage | undefined,
  { over, failed }: Outcome = {},
): ReadableStream<Uint8Array> {
  if (passage) passage.streams = true
  const encoder = new TextEncoder()
  let rest = new Uint8Array()
  let stalled: NodeJS.Timeout | undefined
  const end = () => {
    clearTimeout(stalled)
    passage?.leave()
    over?.()
  }
  const source = {
    async pull(controller: ReadableStreamDefaultController<Uint8Array>) {
      clearTimeout(stalled)
      try {
        while (rest.length === 0) {
          const { value, done } = await texts.next()
          if (done) {
            end()
            return controller.close()
          }
          rest = typeof value === 'string' ? encoder.encode(value) : new Uint8Array(value)
        }
        controller.enqueue(rest.subarray(0, PIECE_BYTES))
        rest = rest.subarray(PIECE_BYTES)
        if (passage) stalled = setTimeout(() => passage.cut(), passage.sendTimeoutMs).unref()
      } catch (error) {
        const cut = passage?.cut()
        end()
        failed?.(error)
        // Where there is a connection, its end tells all that is to be told. Node's adapter would add a text to the answer.
        if (!cut || !failed) throw error
      }
    },
    async cancel() {
      end()
      await texts.return()
    },
  }
  // Nothing is made before it is asked for.
  return new ReadableStream(source, { highWaterMark: 0 })
}
