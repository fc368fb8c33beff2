import ipaddr from 'ipaddr.js'

/** Networks that are not public and may be reached all the same, in CIDR notation. */
export type Networks = readonly string[]

const MAX_URL_LENGTH = 2_000
// Only public names: others mean something to our own network alone.
const PRIVATE_NAMES =
  /(?:^|\.)(?:localhost|internal|flycast|local|lan|home|corp|intranet|localdomain|home\.arpa|svc|consul|onion)$/
/** A host name as DNS can hold it: labels of 1 to 63 octets, 253 in all (RFC 1035 §2.3.4). URL parsers do not ask. */
const DNS_NAME = /^(?=.{1,253}$)[^.]{1,63}(?:\.[^.]{1,63})*$/
/** Every other port belongs to some other service. */
const WEB_PORTS: readonly string[] = ['', '443', '80']

/**
 * What is wrong with `text` as an address to send events to, or to fetch an issuer's keys from; undefined where nothing is. Names are looked at once more when
 * they are looked up: see `mayConnect`.
 */
export function addressProblem(text: string, networks: Networks): string | undefined {
  if (text.length > MAX_URL_LENGTH) return `must not be longer than ${MAX_URL_LENGTH} characters`
  // What parsers read differently, or pass over.
  if (!/^https?:\/\/[^\\\s\p{Cc}#]+$/iu.test(text) || !URL.canParse(text))
    return 'must be a URL such as https://hooks.example.com/scim, without a fragment'
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return 'must not hold credentials'
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const allowed = ipaddr.isValid(host) ? inside(host, networks) : host === 'localhost' && inside('127.0.0.1', networks)
  if (allowed) return undefined
  if (url.protocol !== 'https:') return 'must begin with https://'
  if (!WEB_PORTS.includes(url.port))
    return 'must not name a port other than 443 or 80; the operator can allow a network'
  if (!ipaddr.isValid(host) && !DNS_NAME.test(host))
    return 'must name a host whose labels have 1 to 63 characters, 253 in all'
  if (ipaddr.isValid(host) ? !isPublic(host) : !host.includes('.') || PRIVATE_NAMES.test(host))
    return 'must lead to a public address; the operator can allow others'
  return undefined
}

/**
 * What is wrong with `text` as an address that the operator's own configuration names, or a server that it names: such a server may
 * have any name and port. Where the name leads is looked at when it is looked up, as for all others.
 */
export function ownAddressProblem(text: string, networks: Networks): string | undefined {
  const problem = addressProblem(text, networks)
  if (problem === undefined || !/^https:\/\/[^\\\s\p{Cc}#]+$/iu.test(text) || !URL.canParse(text)) return problem
  const { hostname, username, password } = new URL(text)
  // An address in place of a name is not looked up.
  return ipaddr.isValid(hostname.replace(/^\[|\]$/g, '')) || username !== '' || password !== '' ? problem : undefined
}

/** Whether events may be sent to this address of a machine. */
export const mayConnect = (address: string, networks: Networks): boolean =>
  ipaddr.isValid(address) && (isPublic(address) || inside(address, networks))

/** Neither loopback, private, link-local, metadata nor anything else that has a meaning of its own. */
function isPublic(address: string): boolean {
  // An IPv4 address in IPv6 clothes is the IPv4 address.
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast') return false
  return parsed.kind() === 'ipv4' || parsed.match(GLOBAL_UNICAST)
}

const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3')

function inside(address: string, networks: Networks): boolean {
  const parsed = ipaddr.process(address)
  return networks.some((network) => {
    const [base, bits] = ipaddr.parseCIDR(network)
    return base.kind() === parsed.kind() && parsed.match([base, bits])
  })
}
