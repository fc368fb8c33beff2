import { BlockList, isIP } from 'node:net'

/** What an entry of a list of addresses must be, in words. */
export const ADDRESS_RANGE = 'must be an IP address or a network such as 203.0.113.0/24 or 2001:db8::/32'

/** True for an IPv4 or IPv6 address, alone or with the length of a network's prefix (RFC 4632, RFC 4291 §2.3). */
export function isAddressRange(text: string): boolean {
  const [address, prefix, ...rest] = text.split('/')
  const version = isIP(address ?? '')
  if (version === 0 || address?.includes('%') || rest.length > 0) return false
  if (prefix === undefined) return true
  return /^(?:0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128)
}

/** True when `address` is in one of `ranges`, each of which `isAddressRange`; false without an address. */
export function isWithin(ranges: readonly string[], address: string | undefined): boolean {
  if (address === undefined || isIP(address) === 0) return false
  return (lists.get(ranges) ?? listOf(ranges)).check(address, familyOf(address))
}

/** By the list in the settings, which stays the same one while nothing changes. */
const lists = new WeakMap<readonly string[], BlockList>()

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/')
    if (prefix === undefined) list.addAddress(address, familyOf(address))
    else list.addSubnet(address, Number(prefix), familyOf(address))
  }
  lists.set(ranges, list)
  return list
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4')
