import { lookup as lookUp } from 'node:dns'
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
  close(): Promise<void>
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
    close: async () => (await loaded)?.dispatcher.close(),
  }
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
