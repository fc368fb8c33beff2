/** Between two cancellations of a statement that goes on. */
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000
/** So long the turn of a statement that is not answered is kept from others, while the server answers them. */
const STUCK_FOR_MS = 35_000

/** Settles when `start` has called what it is given, or when that takes too long. */
export function heldUntil(start: (free: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, STUCK_FOR_MS).unref()
    start(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/**
 * Has a statement do nothing that waits for its connection to open; false where it was sent. The driver's `cancel` would leave that
 * connection unused for ever: it opens with the statement in hand, and passes over one that is cancelled without taking another.
 */
export function withdraw(query: object): boolean {
  if ((query as { readonly state: object | null }).state) return false
  Object.assign(query, { strings: ['select 1'], parameters: [] })
  return true
}

/**
 * Has the server end a statement. A cancellation that comes before the server has begun the statement does nothing, so it is
 * repeated until it is stopped. The driver's own `cancel` does so once.
 */
export function cancelUntilStopped(query: object): () => void {
  const { canceller } = query as { readonly canceller: (query: object) => Promise<void> }
  const until = performance.now() + STUCK_FOR_MS
  let timer: NodeJS.Timeout
  let pauseMs = FIRST_PAUSE_MS
  const cancel = () => {
    // Fails when the server cannot be reached.
    canceller(query).catch(() => {})
    if (performance.now() > until) return
    timer = setTimeout(cancel, pauseMs).unref()
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
  }
  cancel()
  return () => clearTimeout(timer)
}
