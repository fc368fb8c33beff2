import { Resolver } from 'node:dns/promises'

/** So long one server is asked, and so often. The whole takes no longer than some seconds. */
const [TIMEOUT_MS, TRIES] = [1_500, 2]

/** What DNS says. */
export type TxtAnswer =
  | { readonly outcome: 'found'; readonly texts: readonly string[] }
  /** There is no such name, or it has no TXT records. */
  | { readonly outcome: 'none' }
  /** No server has answered. */
  | { readonly outcome: 'failed'; readonly reason: string }

/** Records of one name that are looked at, and how long a text may be. */
const [MOST_TEXTS, MOST_LENGTH] = [100, 1_000]

/**
 * The TXT records of a name (RFC 1035 §3.3.14), each as one text.
 *
 * @param servers addresses, perhaps with ports; none for those of the machine
 */
export async function txtRecords(name: string, servers: readonly string[]): Promise<TxtAnswer> {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES })
  if (servers.length > 0) resolver.setServers(servers)
  try {
    const records = await resolver.resolveTxt(name)
    const texts = records.slice(0, MOST_TEXTS).map((parts) => parts.join('').slice(0, MOST_LENGTH))
    return { outcome: 'found', texts }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown'
    return code === 'ENOTFOUND' || code === 'ENODATA' ? { outcome: 'none' } : { outcome: 'failed', reason: code }
  }
}
