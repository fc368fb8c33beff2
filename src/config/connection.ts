import { BlockList, isIP } from 'node:net'
import { ConnectionMistake, type Host, portOf, splitUrl } from './connection-string.ts'
import { type Tls, tlsOf } from './connection-tls.ts'
import { Parameters } from './parameters.ts'

/** Which of several servers is the right one, in libpq's words. */
export const TARGETS = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const
export type Target = (typeof TARGETS)[number]

/** What a URL of PostgreSQL says. */
export interface Connection {
  /** In the order in which they are tried; none for this machine. */
  readonly hosts: readonly Host[]
  /** Whether the order is one by chance. */
  readonly shuffled: boolean
  readonly target: Target
  readonly user: string | undefined
  readonly password: string | undefined
  readonly database: string | undefined
  readonly tls: Tls
  /** For each host: until it can be talked to. */
  readonly connectTimeoutMs: number
  /** Of silence, before the system asks whether the server is there; 0 for never. */
  readonly keepAliveMs: number
  /** What the server is told when a connection begins. */
  readonly settings: Readonly<Record<string, string>>
  /** Whether it says that a pooler lends the same session to several clients. */
  readonly pooled: boolean
  /** The most connections that it allows. */
  readonly limit: number | undefined
  /** Parameters that mean nothing here, by name. */
  readonly leftOut: readonly string[]
}

const CONNECT_TIMEOUT_S = 5
const KEEP_ALIVE_S = 60

/** Parameters of libpq, Prisma and hosts, for what the gateway has of its own, or for what there is nothing to do. */
const NOTHING_TO_DO = [
  ...['pool_timeout', 'socket_timeout', 'max_connection_lifetime', 'max_idle_connection_lifetime'],
  ...['keepalives_interval', 'keepalives_count', 'tcp_user_timeout', 'fallback_application_name'],
  ...['krbsrvname', 'gsslib', 'gssdelegation', 'sslcompression', 'sslsni', 'uselibpqcompat', 'supa', 'workaround'],
]
/** What they forbid cannot be forbidden here, so that without them a connection would be less safe than was asked for. */
const CANNOT_BE_KEPT = ['require_auth', 'requirepeer', 'sslcrl', 'sslcrldir']

/**
 * Reads the URL of a PostgreSQL as libpq does, and as hosts and other drivers print it.
 *
 * @param ofSeveral which of several hosts is the right one where the URL does not say
 * @throws {ConnectionMistake} for a value that cannot be used
 */
export function connectionOf(url: string, ofSeveral: Target = 'read-write'): Connection {
  const parts = splitUrl(url)
  const given = new Parameters(parts.parameters)
  for (const name of CANNOT_BE_KEPT) {
    if (given.take(name)) throw new ConnectionMistake(`has ${name}, which this gateway cannot keep: take it out`)
  }
  if (given.take('gssencmode') === 'require')
    throw new ConnectionMistake('has gssencmode=require, which this gateway cannot keep: use sslmode=verify-full')
  const hosts = hostsOf(parts.hosts, given.take('host'), given.take('port'))
  const target = given.oneOf('target_session_attrs', TARGETS)
  const search = [given.take('schema'), given.take('search_path'), given.take('currentSchema')]
  if (search.some((path) => path !== undefined && !isPublic(path)))
    throw new ConnectionMistake("takes schema=public alone: the gateway's tables are in the schema public")
  const encoding = given.take('client_encoding')
  const options = given.take('options')
  const keepAlive = given.number('keepalives_idle') ?? KEEP_ALIVE_S
  const cached = given.take('statement_cache_size')
  const pooled = given.flag('pgbouncer') === true || cached === '0'
  for (const name of NOTHING_TO_DO) given.take(name)
  return {
    hosts,
    shuffled: given.oneOf('load_balance_hosts', ['disable', 'random']) === 'random',
    target: target ?? (hosts.length > 1 ? ofSeveral : 'any'),
    user: given.take('user') ?? parts.user,
    password: given.take('password') ?? parts.password,
    database: given.take('dbname') ?? parts.database,
    tls: tlsOf(given, hosts.length > 0 && hosts.every(({ host }) => isThisMachine(host))),
    connectTimeoutMs: (given.number('connect_timeout') || CONNECT_TIMEOUT_S) * 1_000,
    keepAliveMs: given.take('keepalives') === '0' ? 0 : keepAlive * 1_000,
    settings: {
      application_name: given.take('application_name') || 'rollcall',
      ...(options !== undefined && { options }),
    },
    pooled,
    limit: given.number('connection_limit') || undefined,
    leftOut: [...given.rest(), ...(isUtf8(encoding) ? [] : ['client_encoding'])],
  }
}

/** A line for each variable whose URLs have parameters which mean nothing here: their names, since a value may be secret. */
export function leftOutOf(urls: Readonly<Record<string, string | readonly string[] | undefined>>): string[] {
  return Object.entries(urls).flatMap(([variable, given = []]) => {
    const leftOut = new Set([given].flat().flatMap((url) => connectionOf(url).leftOut))
    const names = [...leftOut].join(', ')
    return leftOut.size === 0 ? [] : [`${variable} has parameters that the gateway leaves out: ${names}`]
  })
}

/** The URLs of a list with commas between. A URL may have commas of its own, between hosts. */
export const urlsIn = (list: string): string[] => list.split(/,\s*(?=postgres(?:ql)?:\/\/)/i).map((url) => url.trim())

/** Hosts and database of a URL, without who connects and how. */
export function describeUrl(url: string): string {
  const { hosts, database = '' } = connectionOf(url)
  return `${hosts.map(nameOf).join(',')}/${database}`
}

/** Parameters that hold nothing secret, whoever prints them. */
const OPEN = [
  ...['sslmode', 'ssl', 'sslaccept', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation', 'channel_binding'],
  ...['host', 'port', 'target_session_attrs', 'load_balance_hosts', 'connect_timeout', 'keepalives', 'keepalives_idle'],
  ...['application_name', 'connection_limit', 'pgbouncer', 'schema', 'search_path'],
]

/** A URL with `hidden` in the place of its password, and of each parameter's value that may be secret. */
export function withoutSecrets(url: string, hidden: string): string {
  const { user, password, hosts, database, parameters } = splitUrl(url)
  const who = user === undefined ? '' : `${encodeURIComponent(user)}${password === undefined ? '' : `:${hidden}`}@`
  const where = hosts.map((to) => (isFolder(to.host) ? encodeURIComponent(to.host) : nameOf(to))).join(',')
  const rest = [...parameters].map(([name, value]) => `${name}=${OPEN.includes(name) ? value : hidden}`)
  return `postgres://${who}${where}/${database ?? ''}${rest.length === 0 ? '' : `?${rest.join('&')}`}`
}

/** A host as URLs write it. */
export function nameOf({ host, port }: Host): string {
  const name = isIP(host) === 6 ? `[${host}]` : host
  return port === undefined ? name : `${name}:${port}`
}

/** True for the folder of a Unix socket. */
export const isFolder = (host: string): boolean => host.startsWith('/')

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** True for a loopback address, and for a Unix socket. */
function isThisMachine(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return host === '' || host === 'localhost' || isFolder(host)
  return LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

/** Parameters stand above what is in front of them; one port counts for all hosts. */
function hostsOf(named: readonly Host[], host: string | undefined, port: string | undefined): Host[] {
  const hosts = host === undefined ? named : host.split(',').map((name) => ({ host: name.trim(), port: undefined }))
  if (port === undefined) return [...hosts]
  const ports = port.split(',').map((text) => portOf(text.trim()))
  if (ports.length === 1) return (hosts.length === 0 ? [{ host: '' }] : hosts).map((to) => ({ ...to, port: ports[0] }))
  if (ports.length !== hosts.length) throw new ConnectionMistake('takes one port, or as many ports as hosts')
  return hosts.map((to, i) => ({ ...to, port: ports[i] }))
}

/** True for a search path in which the schema public comes first; the user's own schema may be in front. */
function isPublic(path: string): boolean {
  const [first] = path
    .split(',')
    .map((name) => name.trim().replaceAll('"', ''))
    .filter((name) => name !== '$user')
  return first === 'public'
}

const isUtf8 = (encoding = 'utf8') => /^(?:auto|unicode|utf-?8)$/i.test(encoding)
