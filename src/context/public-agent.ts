import { lookup as lookUp } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { Agent } from 'undici'
import { mayConnect, type Networks } from './delivery-address.ts'

/** A name that leads to an address to which nothing may be sent. */
export class RefusedAddress extends Error {
  readonly code = 'REFUSED_ADDRESS'
}

/**
 * Connects to public addresses, and to those in `networks`. They are checked where the connection is made, all that the name
 * has just then: a name may change what it means.
 *
 * @param resolve looks names up; for tests
 */
export function publicAgent(
  networks: Networks,
  connectMs: number,
  resolve: typeof lookUp = lookUp,
  options: Agent.Options = {},
): Agent {
  const lookup: LookupFunction = (hostname, options, done) =>
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error, [])
      const [first] = addresses
      if (first === undefined || !addresses.every(({ address }) => mayConnect(address, networks)))
        return done(new RefusedAddress(), [])
      return options.all ? done(null, addresses) : done(null, first.address, first.family)
    })
  return new Agent({ ...options, connect: { lookup, timeout: connectMs } })
}
