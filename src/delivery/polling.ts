/** Receivers that wait for something to be due on their stream. The worker that looks through all queues wakes them. */
export class Polling {
  readonly #waiting = new Map<string, Set<() => void>>()
  #drained = false

  /** Streams for which a receiver waits. */
  get streams(): string[] {
    return [...this.#waiting.keys()]
  }

  /** True once no receiver can wait any more. */
  get drained(): boolean {
    return this.#drained
  }

  /** Waits until something is due on the stream, for up to `ms`, until `signal` or until the instance stops. */
  wait(streamId: string, ms: number, signal: AbortSignal): Promise<void> {
    if (this.#drained || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const others = this.#waiting.get(streamId) ?? new Set()
      const wake = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', wake)
        others.delete(wake)
        if (others.size === 0) this.#waiting.delete(streamId)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      signal.addEventListener('abort', wake)
      this.#waiting.set(streamId, others.add(wake))
    })
  }

  wake(streamId: string): void {
    for (const wake of [...(this.#waiting.get(streamId) ?? [])]) wake()
  }

  /** Wakes all receivers for good. */
  drain(): void {
    this.#drained = true
    for (const id of this.streams) this.wake(id)
  }
}
