import type { LoggedEvent } from '../../events/event.ts'

/** From when until when something was so, and by which requests. Times are milliseconds since 1970. */
export interface Span {
  readonly fromPosition: number
  readonly fromAt: number
  /** Null where it began before the history. */
  readonly fromRequest: string | null
  readonly fromActor: string | null
  /** Null while it lasts. */
  readonly toPosition: number | null
  readonly toAt: number | null
  readonly toRequest: string | null
  readonly toActor: string | null
}

/** What an event says of the request that it comes from; without one, where no event tells. */
export interface By extends Pick<LoggedEvent, 'position' | 'occurredAt'> {
  readonly requestId: string | null
  readonly actor: string | null
}

/** A row as it is to be written. */
export interface Written<S> {
  readonly span: S
  /** `fromPosition` of the stored row; undefined for a new one. */
  readonly stored: number | undefined
}

interface Entry<S> extends Written<S> {
  readonly changed: boolean
}

/**
 * The spans of some things, by the keys of these, while events are applied to them: of each thing the last stored span, and what comes
 * after it. Events of one thing count in the order of the log. One that says an earlier time than the one before counts at that one's.
 */
export class Spans<S extends Span> {
  readonly #last = new Map<string, Entry<S>>()
  readonly #done: Written<S>[] = []
  /** When the first span ended that was ended here. */
  ended: number | undefined

  /** Tells of the last stored span of a thing. */
  stored(key: string, span: S): void {
    this.#last.set(key, { span, stored: span.fromPosition, changed: false })
  }

  /** The span of a thing that lasts. */
  open(key: string): S | undefined {
    const entry = this.#last.get(key)
    return entry?.span.toAt === null ? entry.span : undefined
  }

  /** The last span of a thing, whether it lasts or not. */
  last(key: string): S | undefined {
    return this.#last.get(key)?.span
  }

  /** Begins a span. The one before has to be over. */
  begin(key: string, by: By, make: (from: Span) => S): void {
    const before = this.#last.get(key)
    if (before?.changed) this.#done.push(before)
    const span = make({ ...begunBy(by, before?.span.toAt ?? by.occurredAt), ...LASTS })
    this.#last.set(key, { span, stored: undefined, changed: true })
  }

  /** A span that the starting picture found was begun by this event, which the picture was ahead of. */
  begunBy(key: string, by: By): void {
    const entry = this.#last.get(key)
    if (entry === undefined) return
    this.#last.set(key, { ...entry, span: { ...entry.span, ...begunBy(by, by.occurredAt) }, changed: true })
  }

  /** Ends the span that lasts, if one does. */
  end(key: string, by: By): void {
    const entry = this.#last.get(key)
    if (entry === undefined || entry.span.toAt !== null) return
    const toAt = Math.max(by.occurredAt, entry.span.fromAt)
    const end = { toPosition: by.position, toAt, toRequest: by.requestId, toActor: by.actor }
    this.#last.set(key, { ...entry, span: { ...entry.span, ...end }, changed: true })
    this.ended = Math.min(toAt, this.ended ?? toAt)
  }

  /** All rows that are to be written. */
  written(): Written<S>[] {
    return [...this.#done, ...[...this.#last.values()].filter(({ changed }) => changed)]
  }
}

const begunBy = ({ position, occurredAt, requestId, actor }: By, notBefore: number) => ({
  ...{ fromPosition: position, fromAt: Math.max(occurredAt, notBefore), fromRequest: requestId, fromActor: actor },
})
const LASTS = { toPosition: null, toAt: null, toRequest: null, toActor: null }
