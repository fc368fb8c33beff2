/** A URL that cannot be used. The message follows the name of its variable, and has nothing of the URL in it that may be secret. */
export class ConnectionMistake extends Error {
  override name = 'ConnectionMistake'
}

/** Where a server may be: a name, an address, or the folder of its Unix socket. */
export interface Host {
  readonly host: string
  /** Undefined for the usual one. */
  readonly port: number | undefined
}

/** A URL of PostgreSQL in parts, decoded. */
export interface UrlParts {
  readonly user: string | undefined
  readonly password: string | undefined
  readonly hosts: readonly Host[]
  readonly database: string | undefined
  readonly parameters: ReadonlyMap<string, string>
}

const MALFORMED = 'takes a URL such as postgres://user:password@host:5432/database'
const ENCODED = `${MALFORMED}; write special characters of a password as %XX, such as %2F for a slash`

const URL_OF_POSTGRES = /^postgres(?:ql)?:\/\/(?<authority>[^/?]*)(?:\/(?<database>[^?]*))?(?:\?(?<query>.*))?$/is
const HOST_AND_PORT = /^(?:\[(?<address>[0-9a-f:.%]+)\]|(?<name>[^:[\]\s]*))(?::(?<port>\d{0,5}))?$/i
const NAME_OF_PARAMETER = /^[a-z][a-z0-9_.]{0,62}$/i

/**
 * Splits a URL as libpq does: it may name several hosts, or none. An @ in the user or the password needs no encoding, since some
 * hosts print one.
 *
 * @throws {ConnectionMistake}
 */
export function splitUrl(url: string): UrlParts {
  const groups = URL_OF_POSTGRES.exec(url.trim())?.groups
  if (groups === undefined) throw new ConnectionMistake(MALFORMED)
  const { authority = '', database = '', query = '' } = groups
  const at = authority.lastIndexOf('@')
  const [user = '', ...password] = at === -1 ? [] : authority.slice(0, at).split(':')
  const hosts = authority.slice(at + 1)
  return {
    user: decoded(user) || undefined,
    password: decoded(password.join(':')) || undefined,
    hosts: hosts === '' ? [] : hosts.split(',').map(hostOf),
    database: decoded(database) || undefined,
    parameters: new Map(query.split('&').filter(Boolean).map(parameterOf)),
  }
}

function hostOf(text: string): Host {
  const groups = HOST_AND_PORT.exec(text)?.groups
  if (groups === undefined) throw new ConnectionMistake(ENCODED)
  return { host: decoded(groups.address ?? groups.name ?? ''), port: portOf(groups.port) }
}

/** A port; undefined for an empty one. @throws {ConnectionMistake} */
export function portOf(text = ''): number | undefined {
  if (text === '') return undefined
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw new ConnectionMistake(ENCODED)
  return port
}

function parameterOf(text: string): [name: string, value: string] {
  const [name = '', ...value] = text.split('=')
  // Part of a password with an unencoded ? may stand here, so it is not shown.
  if (value.length === 0 || !NAME_OF_PARAMETER.test(name)) throw new ConnectionMistake(ENCODED)
  return [name, decoded(value.join('='))]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new ConnectionMistake(ENCODED)
  }
}
