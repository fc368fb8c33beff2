import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { isWithin } from './addresses.ts'

/** Whom to believe about the client's address, and about the address under which a request was sent. */
export type ProxyTrust =
  | { readonly kind: 'none' }
  /** The proxy in front puts the client's address into this header (its name in lower case), and removes what clients put there. */
  | { readonly kind: 'header'; readonly name: string }
  /** So many proxies stand in front, and each appends to `X-Forwarded-For`. */
  | { readonly kind: 'hops'; readonly count: number }
  /** Proxies have addresses in these networks, and append to `X-Forwarded-For`; every other address is a client's. */
  | { readonly kind: 'networks'; readonly networks: readonly string[] }

/** Where a request comes from; without an address, `why` says in words what is wrong. */
export type ClientAddress = { readonly address: string } | { readonly address: undefined; readonly why: string }

/** True where the peer at the other end of the socket is believed about `X-Forwarded-Proto` and `X-Forwarded-Host`. */
export function believesForwarded(trust: ProxyTrust, peer: string | undefined): boolean {
  if (trust.kind !== 'networks') return trust.kind !== 'none'
  return isWithin(trust.networks, peer === undefined ? undefined : plainAddress(peer))
}

/**
 * The client's address. Where a proxy has to say it and does not, or says what is no address, nothing else stands in for it. Lists
 * of addresses then admit no client.
 *
 * @param peer address at the other end of the socket; undefined where there is none
 * @param header reads a header by its name in lower case; several of one name come joined with commas
 */
export function clientAddress(
  trust: ProxyTrust,
  peer: string | undefined,
  header: (name: string) => string | undefined,
): ClientAddress {
  const own = peer === undefined ? undefined : plainAddress(peer)
  switch (trust.kind) {
    case 'none':
      return own === undefined ? unknown('it came without a connection') : { address: own }
    case 'header':
      return named(trust.name, header(trust.name))
    case 'hops':
      return hopsBack(trust.count, header(FORWARDED_FOR))
    case 'networks':
      if (own === undefined) return unknown('it came without a connection')
      return isWithin(trust.networks, own) ? pastProxies(trust.networks, header(FORWARDED_FOR)) : { address: own }
  }
}

/** An address as it is counted: an IPv6 client has a network of 64 bits, and may use all of it. */
export function countedAs(address: string): string {
  if (isIP(address) !== 6) return address
  const [a = 0, b = 0, c = 0, d = 0] = ipaddr.IPv6.parse(address).parts
  return [a, b, c, d].map((part) => part.toString(16)).join(':')
}

const FORWARDED_FOR = 'x-forwarded-for'
const unknown = (why: string): ClientAddress => ({ address: undefined, why })

function named(name: string, value: string | undefined): ClientAddress {
  if (value === undefined || value.trim() === '') return unknown(`the proxy sent no ${name} (TRUST_PROXY)`)
  const address = addressIn(value)
  return address === undefined ? unknown(`${name} is not one IP address (TRUST_PROXY)`) : { address }
}

function hopsBack(count: number, value: string | undefined): ClientAddress {
  if (value === undefined) return unknown('the proxy sent no x-forwarded-for (TRUST_PROXY)')
  const entry = value.split(',').at(-count)
  if (entry === undefined) return unknown(`x-forwarded-for has fewer entries than TRUST_PROXY=${count} asks for`)
  const address = addressIn(entry)
  return address === undefined ? unknown('x-forwarded-for has no IP address there (TRUST_PROXY)') : { address }
}

/** From the right to the first that is no proxy of ours; where all are, the one that began. */
function pastProxies(networks: readonly string[], value: string | undefined): ClientAddress {
  if (value === undefined) return unknown('the proxy sent no x-forwarded-for (TRUST_PROXY)')
  const entries = value.split(',')
  for (let i = entries.length - 1; i >= 0; i--) {
    const address = addressIn(entries[i] as string)
    if (address === undefined) return unknown('x-forwarded-for has no IP address there (TRUST_PROXY)')
    if (i === 0 || !isWithin(networks, address)) return { address }
  }
  return unknown('x-forwarded-for is empty (TRUST_PROXY)')
}

// An address in brackets, or one of IPv4, and a port.
const WITH_PORT = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/

/** The address that an entry of a header is, without its port; undefined where it is none. */
function addressIn(entry: string): string | undefined {
  const text = entry.trim()
  const match = WITH_PORT.exec(text)
  const bare = match?.[1] ?? match?.[2] ?? text
  // Brackets are for IPv6 alone (RFC 3986 §3.2.2).
  return match?.[1] !== undefined && isIP(bare) !== 6 ? undefined : plainAddress(bare)
}

/** One spelling for each address: IPv4 that came over IPv6 as IPv4, IPv6 shortened, none with a zone. */
function plainAddress(text: string): string | undefined {
  // Node reads addresses strictly; the library alone would take 127.1 and 0x7f.0.0.1.
  return isIP(text) === 0 ? undefined : ipaddr.process(text.replace(/%.*$/, '')).toString()
}
