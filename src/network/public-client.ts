import { lookup as lookUp } from 'node:dns'
import type { IncomingHttpHeaders } from 'node:http'
import type { LookupFunction } from 'node:net'
import type { Agent, Dispatcher } from 'undici'
import { mayConnect, type Networks } from './delivery-address.ts'

/** A name that leads to an address to which nothing may be sent. */
export class RefusedAddress extends Error {
  readonly code = 'REFUSED_ADDRESS'
}

/** Sends requests to public addresses alone, and to those that are allowed. */
export interface PublicClient {
  /** As undici's `request`. */
  request(url: string, options: Omit<Dispatcher.RequestOptions, 'origin' | 'path'>): Promise<Dispatcher.ResponseData>
  /**
   * Sends a message and reads the beginning of its answer. The status counts also where the rest of the answer does not come. It takes
   * less CPU time than `request`, which makes a stream and a signal for each.
   *
   * @throws an error with the name `TimeoutError` where no answer begins in time, and what undici throws
   */
  post(url: URL, message: Message): Promise<ShortAnswer>
  close(): Promise<void>
}

/** A message, and what its answer may take. */
export interface Message {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Time for all of it. */
  readonly withinMs: number
  /** The rest of a longer answer is not read. */
  readonly mostBytes: number
}

/** An answer with the beginning of its body. */
export interface ShortAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/**
 * A client that connects to public addresses, and to those in `networks`. They are checked where the connection is made, all
 * that the name has just then: a name may change what it means.
 *
 * undici is loaded for the first request: most gateways send none, and it is a sixth of what a start waits for.
 *
 * @param resolve looks names up; for tests
 */
export function publicClient(
  networks: Networks,
  connectMs: number,
  resolve: typeof lookUp = lookUp,
  options: Agent.Options = {},
): PublicClient {
  const lookup: LookupFunction = (hostname, options, done) =>
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error, [])
      const [first] = addresses
      if (first === undefined || !addresses.every(({ address }) => mayConnect(address, networks)))
        return done(new RefusedAddress(), [])
      return options.all ? done(null, addresses) : done(null, first.address, first.family)
    })
  const load = async () => {
    const { Agent, request } = await import('undici')
    return { request, dispatcher: new Agent({ ...options, connect: { lookup, timeout: connectMs } }) }
  }
  let loaded: ReturnType<typeof load> | undefined
  return {
    async request(url, asked) {
      loaded ??= load()
      const { request, dispatcher } = await loaded
      return request(url, { ...asked, dispatcher })
    },
    async post(url, message) {
      loaded ??= load()
      return posted((await loaded).dispatcher, url, message)
    },
    close: async () => (await loaded)?.dispatcher.close(),
  }
}

function posted(dispatcher: Dispatcher, url: URL, message: Message): Promise<ShortAnswer> {
  const { headers, body, withinMs, mostBytes } = message
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | undefined
    let answer: Omit<ShortAnswer, 'body'> | undefined
    let ended: Error | undefined
    const chunks: Buffer[] = []
    let size = 0
    const over = (error?: Error) => {
      clearTimeout(timer)
      if (answer !== undefined) resolve({ ...answer, body: Buffer.concat(chunks).toString('utf8') })
      else reject(error)
    }
    /** The connection is not used again: more may be on its way. */
    const end = (error: Error) => {
      ended = error
      over(error)
      controller?.abort(error)
    }
    const timer = setTimeout(() => end(new DOMException('no answer came in time', 'TimeoutError')), withinMs)
    const path = `${url.pathname}${url.search}`
    dispatcher.dispatch(
      { origin: url.origin, path, method: 'POST', headers, body },
      {
        onRequestStart(started) {
          controller = started
          if (ended !== undefined) started.abort(ended)
        },
        onResponseStart(_, status, received) {
          // What comes before the answer, such as 103, is none.
          if (status >= 200) answer = { status, headers: received }
        },
        onResponseData(_, chunk) {
          chunks.push(chunk)
          size += chunk.length
          if (size >= mostBytes) end(new Error('the answer is long enough'))
        },
        onResponseEnd: () => over(),
        onResponseError: (_, error) => over(error),
      },
    )
  })
}

/** The text of an answer; undefined where it has more bytes than that, of which the rest is not read. */
export async function textUpTo(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
