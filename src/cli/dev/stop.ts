import type { Io } from '../io.ts'

/** Ends work that goes on until it is stopped: by Ctrl+C or SIGTERM, or by `io` where a program runs the command. */
export function untilStopped({ signal }: Io): AbortSignal {
  if (signal !== undefined) return signal
  const stopped = new AbortController()
  // A second one ends the process at once.
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopped.abort())
  return stopped.signal
}
