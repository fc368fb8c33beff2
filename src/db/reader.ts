/** Who waits for what a statement reads, such as a `Request`. Only a statement that takes long looks at the signal. */
export interface Reader {
  /** Aborted once the reader waits no longer. */
  readonly signal: AbortSignal | undefined
}

/** The reader of a statement that answers several requests at once: it goes on when one of them leaves. */
export const READERS: Reader = { signal: undefined }
