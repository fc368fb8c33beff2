import type { ScimType } from '../scim/errors.ts'
import type { Reason } from '../scim/reasons.ts'

/** The three base URLs: `/scim/v2/{project}/{environment}`, `…/v2` and `…/v2/{tenant}`. */
export type BaseForm = 'legacy' | 'default' | 'tenant'

/** A SCIM request's address, read once; guard and router both go by this and never by the raw path. */
export interface ScimPath {
  /** Key or id, decoded, as the client spelled it. */
  readonly project: string
  readonly environment: string
  readonly form: BaseForm
  /** Set for the form `tenant` only; the two others mean the tenant `default`. */
  readonly tenant: string | undefined
  /** Decoded segments below the base, such as `['Users', '<id>']`; never empty strings, dots or slashes. */
  readonly rest: readonly string[]
  /** The part of the path that is the base, as the client spelled it, without a slash at the end. */
  readonly basePath: string
  /** True where the client has put two slashes behind the base, which not every tenant takes. */
  readonly doubledSlash: boolean
  /** What follows the `?`, undecoded. */
  readonly query: string
}

/** Why an address is none of ours, for every caller. */
export interface PathRefusal {
  readonly refused: 400 | 404
  readonly scimType: ScimType | undefined
  readonly reason: Reason
  readonly detail: string
}

/** The tenant that every environment has and that two of the three base URLs mean. */
export const DEFAULT_TENANT = 'default'

/** The address below a base URL that ends a user's sessions (draft-parecki-oauth-global-token-revocation). */
export const GLOBAL_TOKEN_REVOCATION = '.global-token-revocation'

/** The URL that ends sessions, below a base URL. */
export const logoutUrlAt = (baseUrl: string): string => `${baseUrl}/${GLOBAL_TOKEN_REVOCATION}`

/** Addresses below a base URL that no tenant's key can be. */
const DOTTED: ReadonlySet<string> = new Set(['.search', GLOBAL_TOKEN_REVOCATION])
const RESERVED: ReadonlySet<string> = new Set([
  'users',
  'groups',
  'me',
  'bulk',
  'schemas',
  'resourcetypes',
  'serviceproviderconfig',
  'v2',
])
const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
/** The form of keys, for OpenAPI. */
export const KEY_PATTERN = KEY.source
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const VERSION = /^v[0-9]+(?:\.[0-9]+)?$/i
// Tabs, backslashes and the like are dropped or turned into slashes by URL parsers, so that two readers would differ.
const PLAIN_PATH = /^\/[!-~]*$/
const CONTROL = /\p{Cc}/u

/** Keys are compared without regard to case. */
export const foldKey = (key: string): string => key.toLowerCase()

export const isUuid = (text: string): boolean => UUID.test(text)

/** True for text that could be the key or the id of something; all else is unknown without a look into the store. */
export const isKeyOrId = (text: string): boolean => KEY.test(text) || UUID.test(text)

/** What is wrong with `key` as the key of a project, an environment or a tenant; undefined when nothing is. */
export function keyProblem(key: string): string | undefined {
  if (!KEY.test(key))
    return 'must be 1 to 64 letters, digits, ".", "_" or "-", the first one a letter or a digit (A-Z, a-z, 0-9)'
  if (RESERVED.has(foldKey(key))) return `must not be "${key}", which is the name of a SCIM endpoint`
  if (UUID.test(key)) return 'must not look like an id (UUID), because URLs take either'
  return undefined
}

/** What an operator should know about a key that is allowed. */
export const keyWarnings = (key: string): string[] =>
  key.includes('_') ? [`Okta takes no base URL with "_" in it; "${key}" has one.`] : []

/**
 * Reads the path and query of a request, exactly as they came over the wire, into a `ScimPath` (RFC 7644 §1.3, §3.13).
 *
 * Each segment is percent-decoded once, after splitting. Empty and dot segments (encoded or not) and encoded slashes,
 * backslashes and control characters are refused, so no later reader can see another path in it. One slash at the end is
 * tolerated, and one empty segment behind the base, which `doubledSlash` tells of. Letter case counts in `scim`, in versions and in `rest`.
 *
 * Below `/v2`, a segment that is no reserved word is read as a tenant; `withoutTenant` reads it the other way.
 */
export function locate(rawUrlPath: string): ScimPath | PathRefusal {
  const mark = rawUrlPath.indexOf('?')
  const rawPath = mark === -1 ? rawUrlPath : rawUrlPath.slice(0, mark)
  const query = mark === -1 ? '' : rawUrlPath.slice(mark + 1)
  if (!PLAIN_PATH.test(rawPath) || rawPath.includes('\\') || rawPath.includes('#'))
    return badPath('The path of the URL has a character that must be percent-encoded.')

  const raw = rawPath.slice(1).split('/')
  if (raw.length > 1 && raw.at(-1) === '') raw.pop()
  if (raw[0] !== 'scim') return notFound()
  if (raw[1] !== 'v2') return raw[1] !== undefined && VERSION.test(raw[1]) ? badVersion(raw[1]) : notFound()

  const segments: string[] = []
  /** How many segments come before the empty one. */
  let doubledAt: number | undefined
  for (const text of raw.slice(2)) {
    const segment = decode(text)
    if (segment === undefined) return badPath('The path of the URL has a percent sign that does not encode UTF-8 text.')
    if (text === '' && doubledAt === undefined) {
      doubledAt = segments.length
      continue
    }
    if (segment === '' || segment === '.' || segment === '..') return notFound()
    // What is not decoded is plain, as the path is.
    if (segment !== text && (segment.includes('/') || segment.includes('\\') || CONTROL.test(segment)))
      return notFound()
    segments.push(segment)
  }
  const [project, environment, third, fourth] = segments
  if (project === undefined || environment === undefined) return notFound()

  const base = (form: BaseForm, tenant: string | undefined, length: number): ScimPath | PathRefusal =>
    doubledAt !== undefined && doubledAt !== length
      ? notFound()
      : {
          ...{ project, environment, form, tenant },
          rest: segments.slice(length),
          basePath: `/${raw.slice(0, 2 + length).join('/')}`,
          doubledSlash: doubledAt !== undefined,
          query,
        }
  if (third === undefined || !VERSION.test(third)) return base('legacy', undefined, 2)
  if (third !== 'v2') return badVersion(third)
  if (fourth === undefined || DOTTED.has(fourth) || doubledAt === 3 || RESERVED.has(foldKey(fourth)))
    return base('default', undefined, 3)
  return base('tenant', fourth, 4)
}

/**
 * The same address with the segment after `/v2` read as an endpoint of the default tenant: `…/v2/Devices`, where `Devices`
 * is no tenant but a registered resource type.
 */
export function withoutTenant(path: ScimPath): ScimPath {
  if (path.tenant === undefined) return path
  return {
    ...path,
    form: 'default',
    tenant: undefined,
    rest: [path.tenant, ...path.rest],
    basePath: path.basePath.slice(0, path.basePath.lastIndexOf('/')),
  }
}

function decode(text: string): string | undefined {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

export const notFound = (): PathRefusal => ({
  refused: 404,
  scimType: undefined,
  reason: 'base-url-wrong',
  detail: 'There is nothing at this address. Base URLs look like /scim/v2/{project}/{environment}/v2/{tenant}.',
})

const badPath = (detail: string): PathRefusal => ({
  refused: 400,
  scimType: 'invalidSyntax',
  reason: 'path-malformed',
  detail,
})

const badVersion = (version: string): PathRefusal => ({
  refused: 400,
  scimType: 'invalidVers',
  reason: 'version-unsupported',
  detail: `SCIM version "${version.slice(0, 20)}" is not supported; this service provider speaks "v2".`,
})
