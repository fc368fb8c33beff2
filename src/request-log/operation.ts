import { GLOBAL_TOKEN_REVOCATION } from '../tenancy/scim-path.ts'

/** What a request is about, by its method and address. `token` asks for an access token. `gap` is no request: it stands for those that were left out. */
export const OPERATIONS = [
  'create',
  'read',
  'list',
  'replace',
  'modify',
  'delete',
  'bulk',
  'discovery',
  'logout',
  'token',
  'other',
  'gap',
] as const
export type Operation = (typeof OPERATIONS)[number]

/** Of a request for an access token, which has no base URL. */
export const TOKEN_SEGMENTS: readonly string[] = ['oauth', 'token']

const DISCOVERY: ReadonlySet<string> = new Set(['ServiceProviderConfig', 'ResourceTypes', 'Schemas'])
const OF_ONE: Readonly<Record<string, Operation>> = { GET: 'read', PUT: 'replace', PATCH: 'modify', DELETE: 'delete' }
const OF_MANY: Readonly<Record<string, Operation>> = { GET: 'list', POST: 'create' }

/** @param segments below the base URL */
export function operationOf(method: string, segments: readonly string[]): Operation {
  if (segments === TOKEN_SEGMENTS) return 'token'
  const [endpoint, id, ...more] = segments
  const asked = method === 'HEAD' ? 'GET' : method
  if (endpoint === undefined) return asked === 'GET' ? 'list' : 'other'
  if (segments.at(-1) === '.search') return asked === 'POST' ? 'list' : 'other'
  if (DISCOVERY.has(endpoint)) return asked === 'GET' ? 'discovery' : 'other'
  if (endpoint === GLOBAL_TOKEN_REVOCATION) return asked === 'POST' ? 'logout' : 'other'
  if (endpoint === 'Bulk') return asked === 'POST' ? 'bulk' : 'other'
  if (more.length > 0) return 'other'
  if (endpoint === 'Me' || id !== undefined) return OF_ONE[asked] ?? 'other'
  return OF_MANY[asked] ?? 'other'
}
