import { createHash } from 'node:crypto'
import type { JsonObject } from '../src/scim/resource.ts'
import { ENTERPRISE_USER_SCHEMA, USER_SCHEMA } from '../src/scim/urn.ts'

/** How many kinds of people there are: what is not a mark depends on `index % KINDS` alone. */
export const KINDS = 2_000
/** So many people share a title, and a department; the same in small tenants and in large ones. */
export const PER_TITLE = 4
export const PER_DEPARTMENT = 8
/** Every so many-th person, from 0, has a manager. */
export const MANAGER_EVERY = 4

/** The parts of a person that no two have in common, or few. */
export interface Marks {
  readonly n: string
  readonly title: string
  readonly department: string
  readonly manager: string
}

/** Stand in the prototypes where the marks go; folding and JSON leave them as they are. */
export const PLACES: Marks = {
  n: '#n#',
  title: '#t#',
  department: '#d#',
  manager: '00000000-0000-4000-8000-0000000000aa',
}

/** The id of the resource `index` of a tenant, in the form of a UUID of version 7 (RFC 9562 §5.7); ids rise with it. */
export function idOf(tenantId: string, index: number): string {
  const random = createHash('md5').update(`${tenantId}:${index}`).digest('hex')
  const time = (FIRST_MS + index).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-8${random.slice(3, 6)}-${random.slice(6, 18)}`
}

/** The same in SQL; `tenant` and `index` are expressions of type text and int. */
export const idSql = (tenant: string, index: string): string =>
  `(lpad(to_hex(${FIRST_MS} + ${index}), 12, '0') || '7' || substr(md5(${tenant} || ':' || ${index}), 1, 3)
    || '8' || substr(md5(${tenant} || ':' || ${index}), 4, 15))::uuid`

const FIRST_MS = Date.UTC(2025, 0, 1)

/** The marks of the person `index` of a tenant. */
export const marksOf = (tenantId: string, index: number): Marks => ({
  n: String(index),
  title: String(Math.floor(index / PER_TITLE)),
  department: String(Math.floor(index / PER_DEPARTMENT)),
  manager: idOf(tenantId, Math.floor(index / 64) * 64 + 1),
})

const FIRST = ['Ada', 'Barbara', 'Grace', 'Edsger', 'Donald', 'Radia', 'Alan', 'Leslie', 'Frances', 'Tony', 'Zoë']
const LAST = ['Lovelace', 'Liskov', 'Hopper', 'Dijkstra', 'Knuth', 'Perlman', 'Turing', 'Lamport', 'Allen', 'Hoare']
const CITIES = ['Zürich', 'Bern', 'Lausanne', 'Genève', 'Basel', 'Lugano', 'Luzern']

/** A user as an identity provider sends it, about 1 KB of JSON. */
export function person(kind: number, marks: Marks): JsonObject {
  const first = FIRST[kind % FIRST.length] as string
  const last = LAST[Math.floor(kind / FIRST.length) % LAST.length] as string
  const city = CITIES[kind % CITIES.length] as string
  const userName = userNameOf(kind, marks.n)
  const street = `${(kind % 97) + 1} Main Street`
  return {
    schemas: [USER_SCHEMA, ENTERPRISE_USER_SCHEMA],
    externalId: externalIdOf(marks.n),
    userName,
    name: { formatted: `${first} ${last}`, familyName: last, givenName: first },
    displayName: `${first} ${last} ${marks.n}`,
    title: titleOf(marks.title),
    preferredLanguage: 'en-GB',
    locale: 'en-GB',
    timezone: 'Europe/Zurich',
    active: true,
    emails: [
      { value: userName, type: 'work', primary: true },
      { value: homeEmailOf(marks.n), type: 'home' },
    ],
    phoneNumbers: [
      { value: `tel:+41-44-${1_000_000 + kind}`, type: 'work' },
      { value: `tel:+41-79-${2_000_000 + kind}`, type: 'mobile' },
    ],
    addresses: [
      {
        type: 'work',
        formatted: `${street}, 8000 ${city}`,
        streetAddress: street,
        locality: city,
        region: 'CH',
        postalCode: '8000',
        country: 'CH',
      },
    ],
    [ENTERPRISE_USER_SCHEMA]: {
      employeeNumber: marks.n,
      organization: 'Example Corporation',
      department: departmentOf(marks.department),
      costCenter: String(4000 + (kind % 13)),
      ...(kind % MANAGER_EVERY === 0 ? { manager: { value: marks.manager } } : {}),
    },
  }
}

/** The person `index` of a tenant. */
export const personAt = (tenantId: string, index: number): JsonObject => person(index % KINDS, marksOf(tenantId, index))

export const userNameOf = (kind: number, n: string): string =>
  `${FIRST[kind % FIRST.length]?.replace('ë', 'e')}.${LAST[Math.floor(kind / FIRST.length) % LAST.length]}.${n}@corp.example`
export const userNameAt = (index: number): string => userNameOf(index % KINDS, String(index))
export const externalIdOf = (n: string): string => `hr-${n}-0f3c`
export const homeEmailOf = (n: string): string => `person.${n}@home.example`
export const titleOf = (title: string): string => `Systems engineer ${title}`
export const departmentOf = (department: string): string => `Department ${department}`
