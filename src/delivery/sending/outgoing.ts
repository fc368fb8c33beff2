import type { lookup } from 'node:dns'
import { addressProblem, type Networks } from '../../network/delivery-address.ts'
import { publicClient } from '../../network/public-client.ts'

/** What came of an attempt; `error` is in words for the operator, without anything that the receiver wrote. */
export type SendOutcome = { readonly ok: true; readonly status: number } | SendFailure

export interface SendFailure {
  readonly ok: false
  readonly status: number | null
  readonly error: string
  readonly retryAfterMs: number
  /** The receiver has refused the message itself: sending it again is of no use. */
  readonly refused?: boolean
  /** The failure says nothing about the receiver, which accepts other messages. */
  readonly receiverIsWell?: boolean
}

/** An answer, of any status. */
export interface Answered {
  readonly status: number
  readonly body: string
  readonly retryAfterMs: number
}

/** Sends to public addresses, and to those that are allowed. */
export interface Outgoing {
  /** Redirects are not followed: they are answers like any other. */
  post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<Answered | SendFailure>
  close(): Promise<void>
}

const CONNECT_MS = 5_000
/** Time for the whole attempt. A receiver that takes longer should put the work off. */
const ATTEMPT_MS = 10_000
const MAX_ANSWER_BYTES = 16_384
const LONGEST_RETRY_AFTER_S = 3_600
const MOST_JUDGED = 1_000

/** @param resolve looks names up; for tests */
export function outgoing(networks: Networks, resolve?: typeof lookup): Outgoing {
  const client = publicClient(networks, CONNECT_MS, resolve)
  /** By URL: why it is refused, or the URL read. Neither depends on anything but its text. */
  const judged = new Map<string, string | URL>()
  const judgementOf = (url: string): string | URL => {
    const known = judged.get(url)
    if (known !== undefined) return known
    if (judged.size >= MOST_JUDGED) judged.clear()
    const judgement = addressProblem(url, networks) ?? new URL(url)
    judged.set(url, judgement)
    return judgement
  }
  return {
    async post(url, headers, body) {
      const address = judgementOf(url)
      if (typeof address === 'string') return failure(null, `the address ${address}`)
      try {
        const answer = await client.post(address, {
          headers: { ...headers, 'User-Agent': 'Rollcall' },
          ...{ body, withinMs: ATTEMPT_MS, mostBytes: MAX_ANSWER_BYTES },
        })
        const seconds = Number(answer.headers['retry-after'])
        const retryAfterMs = seconds > 0 ? Math.min(seconds, LONGEST_RETRY_AFTER_S) * 1000 : 0
        return { status: answer.status, body: answer.body, retryAfterMs }
      } catch (error) {
        return failure(null, inWords(error))
      }
    },
    close: () => client.close(),
  }
}

export const failure = (status: number | null, error: string, retryAfterMs = 0): SendFailure => ({
  ...{ ok: false, status, error, retryAfterMs },
})

/** What the operator is told of an answer that is no success. */
export function unsuccessful({ status, retryAfterMs }: Answered): SendFailure {
  const redirects = status >= 300 && status < 400 ? '; redirects are not followed' : ''
  return failure(status, `the receiver answered ${status}${redirects}`, retryAfterMs)
}

const WORDS: Readonly<Record<string, string>> = {
  REFUSED_ADDRESS: 'the name leads to an address that is not public',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name could not be looked up',
  EHOSTUNREACH: 'the address cannot be reached',
  ENETUNREACH: 'the address cannot be reached',
  UND_ERR_CONNECT_TIMEOUT: 'no connection came about in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer came in time',
  UND_ERR_SOCKET: 'the connection was closed without an answer',
}

function inWords(error: unknown): string {
  if (!(error instanceof Error)) return 'it could not be sent'
  if (error.name === 'TimeoutError') return 'no answer came in time'
  const [first] = error instanceof AggregateError ? error.errors : [error]
  const code = String((first as { code?: unknown }).code ?? '')
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(code)) return `the certificate or TLS of the receiver fails: ${code}`
  return WORDS[code] ?? `it could not be sent${code === '' ? '' : `: ${code}`}`
}
