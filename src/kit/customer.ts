import type { AdminClient, Schemas } from '../client/index.ts'
import type { Seed } from '../testing/types.ts'
import type { ScimTarget } from './scim-client.ts'
import { seedDirectory } from './seed.ts'

/** A customer of a gateway for development: a tenant with a key for each side of it. */
export interface Customer {
  readonly project: string
  readonly environment: string
  /** The tenant's key in URLs. */
  readonly tenant: string
  readonly tenantId: string
  readonly name: string
  readonly scim: ScimTarget
  /** Of the application: `directory:read` in the environment. */
  readonly appKey: string
}

/** What a new customer is made of. */
export interface NewCustomer {
  readonly key: string
  readonly name: string
  readonly settings?: Schemas['TenantSettings']
}

const ENVIRONMENT = '/projects/{project}/environments/{environment}'

/** Makes a tenant and its two keys over the admin API. @throws {Error} for what the gateway refuses */
export async function makeCustomer(
  client: AdminClient,
  place: { readonly project: string; readonly environment: string },
  { key, name, settings = {} }: NewCustomer,
): Promise<Customer> {
  const params = { path: place }
  const tenant = await given(client.POST(`${ENVIRONMENT}/tenants`, { params, body: { key, name, settings } }))
  const keyFor = async (body: { name: string; tenant?: string; permissions?: 'directory:read'[] }) =>
    (await given(client.POST(`${ENVIRONMENT}/api-keys`, { params, body }))).key
  const scimKey = await keyFor({ name: `Identity provider of ${name}`, tenant: key })
  const appKey = await keyFor({ name: `Application, for ${name}`, permissions: ['directory:read'] })
  const scim = { baseUrl: tenant.scimBaseUrl, key: scimKey }
  return { ...place, tenant: key, tenantId: tenant.id, name, scim, appKey }
}

/** The answer of the admin API, which must not be a refusal. @throws {Error} in its words */
export async function given<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await asked
  if (response.ok) return data as T
  const { detail } = (error ?? {}) as Partial<Schemas['Problem']>
  throw new Error(`the gateway answered ${response.status}: ${detail ?? 'no reason was given'}`)
}

/** The customer of `rollcall dev`: groups give roles, so that an application has something to show. */
export const ACME: NewCustomer = {
  key: 'acme',
  name: 'Acme',
  settings: {
    roleRules: [
      { group: { displayName: 'Engineering' }, role: 'developer' },
      { group: { displayName: 'Sales' }, role: 'seller' },
      { group: { displayName: 'Admins' }, role: 'admin' },
    ],
  },
}

const person = (givenName: string, familyName: string, title: string, active = true) => {
  const userName = `${givenName}.${familyName}@acme.example`.toLowerCase()
  return {
    ...{ userName, externalId: `dev-${givenName.toLowerCase()}`, title, active },
    name: { givenName, familyName },
    displayName: `${givenName} ${familyName}`,
    emails: [{ value: userName, type: 'work', primary: true }],
  }
}

/** Who works there. */
export const PEOPLE_OF_ACME: Seed = {
  users: [
    person('Ada', 'Lovelace', 'Head of Engineering'),
    person('Grace', 'Hopper', 'Engineer'),
    person('Alan', 'Turing', 'Engineer'),
    person('Katherine', 'Johnson', 'Account Executive'),
    person('Edsger', 'Dijkstra', 'Engineer, who has left', false),
  ],
  groups: [
    {
      displayName: 'Engineering',
      members: ['ada.lovelace@acme.example', 'grace.hopper@acme.example', 'alan.turing@acme.example'],
    },
    { displayName: 'Sales', members: ['katherine.johnson@acme.example'] },
    { displayName: 'Admins', members: ['ada.lovelace@acme.example'] },
  ],
}

/** Makes Acme with its people. */
export async function makeAcme(
  client: AdminClient,
  place: { readonly project: string; readonly environment: string },
): Promise<Customer> {
  const customer = await makeCustomer(client, place, ACME)
  await seedDirectory(customer.scim, PEOPLE_OF_ACME)
  return customer
}
