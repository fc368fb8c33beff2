import { request } from 'node:http'
import type { JsonValue } from '../scim/resource.ts'
import { REASON, SELF_TEST, selfTestToken } from './token.ts'

/** The address at which this process listens. */
export interface Via {
  readonly address: string
  readonly port: number
}

/** One request of a self-test. */
export interface Ask {
  readonly method: string
  /** From the origin on. */
  readonly path: string
  readonly body?: JsonValue | undefined
  readonly headers: Readonly<Record<string, string>>
}

/** What came of it; status 0 where nothing answered. */
export interface Answered {
  readonly status: number
  readonly body: unknown
  /** Why it was refused, as one of `REASONS`. */
  readonly reason?: string | undefined
}

const MOST_BYTES = 1_048_576

/**
 * Sends a request over HTTP to this very process, which takes it for one of a client at `host`. It goes nowhere else, whatever
 * the base URL says: a key that is being tested never leaves the machine.
 */
export function ask(via: Via, host: string, { method, path, body, headers }: Ask, ms: number): Promise<Answered> {
  return new Promise((resolve) => {
    const nothing = () => resolve({ status: 0, body: undefined })
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const sent = request(
      {
        ...{ method, path, host: via.address, port: via.port, agent: false, signal: AbortSignal.timeout(ms) },
        headers: {
          ...headers,
          ...{ Host: host, [SELF_TEST]: selfTestToken },
          ...(payload === undefined ? {} : { 'Content-Length': Buffer.byteLength(payload) }),
        },
      },
      (answer) => {
        const chunks: Buffer[] = []
        let bytes = 0
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length
          if (bytes > MOST_BYTES) answer.destroy(new Error('the answer is too large'))
          else chunks.push(chunk)
        })
        answer.on('error', nothing)
        answer.on('end', () => {
          const reason = answer.headers[REASON.toLowerCase()]
          resolve({
            status: answer.statusCode ?? 0,
            body: jsonIn(Buffer.concat(chunks).toString('utf8')),
            reason: typeof reason === 'string' ? reason : undefined,
          })
        })
      },
    )
    sent.on('error', nothing)
    sent.end(payload)
  })
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
