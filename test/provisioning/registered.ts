import { readFileSync } from 'node:fs'
import { PATCH_OP } from '../../src/scim/urn.ts'
import type { Answer, Gateway, Scim, TestTenant } from '../support/gateway.ts'
import { jsonIn } from '../support/http-client.ts'

/** Definitions for tests of registered schemas, and the way to register them. */

export type Body = Record<string, unknown>

const vectors = JSON.parse(readFileSync(new URL('../fixtures/scim/filter-vectors.json', import.meta.url), 'utf8')) as {
  extensionSchemas: Body[]
}

/** An extension with every data type and mutability. */
export const badgeSchema = vectors.extensionSchemas[0] as Body & { id: string; attributes: Body[] }
export const BADGE = badgeSchema.id

export const DEVICE = 'urn:ietf:params:scim:schemas:core:2.0:Device'
export const BLE = 'urn:ietf:params:scim:schemas:extension:ble:2.0:Device'
export const MAB = 'urn:ietf:params:scim:schemas:extension:ethernet-mab:2.0:Device'
export const APPS = 'urn:example:scim:schemas:extension:endpointAppsExt:2.0:Device'
export const ENDPOINT_APP = 'urn:example:scim:schemas:core:2.0:EndpointApp'

const macAddress = { name: 'deviceMacAddress', required: true, uniqueness: 'server', description: 'Of the device.' }
const versionSupport = { name: 'versionSupport', multiValued: true, required: true }

/** Devices in the manner of RFC 9944: a core schema, a schema for each way to reach a device, and one for applications. */
export const deviceType: Body = {
  resourceType: {
    name: 'Device',
    endpoint: '/Devices',
    description: 'Device Account',
    schema: DEVICE,
    schemaExtensions: [{ schema: BLE }, { schema: MAB }, { schema: APPS, required: false }],
  },
  schemas: [
    {
      id: DEVICE,
      name: 'Device',
      attributes: [
        { name: 'deviceDisplayName' },
        { name: 'adminState', type: 'boolean', required: true },
        { name: 'mudUrl', type: 'reference', referenceTypes: ['external'] },
        { name: 'serialNumber', uniqueness: 'server', mutability: 'immutable', caseExact: true },
        { name: 'groups', multiValued: true },
        {
          name: 'owner',
          type: 'complex',
          subAttributes: [
            { name: 'value', required: true },
            { name: '$ref', type: 'reference', referenceTypes: ['User'] },
            { name: 'since', type: 'dateTime' },
          ],
        },
        { name: 'installedBy', type: 'reference', referenceTypes: ['User', 'Group'] },
      ],
    },
    {
      id: BLE,
      name: 'bleExtension',
      attributes: [
        macAddress,
        { name: 'isRandom', type: 'boolean' },
        { ...versionSupport, canonicalValues: ['4.2', '5.3'] },
        { name: 'irk', mutability: 'writeOnly' },
      ],
    },
    { id: MAB, name: 'mabExtension', attributes: [macAddress] },
    {
      id: APPS,
      name: 'endpointAppsExt',
      attributes: [
        {
          name: 'applications',
          type: 'complex',
          multiValued: true,
          subAttributes: [
            { name: 'value' },
            { name: '$ref', type: 'reference', referenceTypes: ['EndpointApp'] },
            { name: 'port', type: 'integer', uniqueness: 'server' },
          ],
        },
      ],
    },
  ],
}

export const endpointAppType: Body = {
  resourceType: { name: 'EndpointApp', endpoint: '/EndpointApps', schema: ENDPOINT_APP },
  schemas: [
    {
      id: ENDPOINT_APP,
      name: 'EndpointApp',
      attributes: [{ name: 'applicationName', required: true }, { name: 'applicationType' }],
    },
  ],
}

/** Sends a request to the admin API; `path` follows the environment's place, `tenant` narrows it to one tenant. */
export type Admin = (method: string, path: string, body?: unknown, tenant?: TestTenant) => Promise<Answer>

export function adminOf(gateway: Gateway, key = gateway.adminKey): Admin {
  const environment = `${gateway.origin}/api/v1/projects/${gateway.project}/environments/${gateway.environment}`
  return async (method, path, body, tenant) => {
    const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const response = await fetch(environment + (tenant ? `/tenants/${tenant.name}` : '') + path, init)
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: jsonIn(text) }
  }
}

/** An answer's JSON, for looking at it by name. */
export const json = (answer: Answer): Body => answer.body as Body

/** What an answer says in short: its status, and of an error the keyword. */
export const inShort = ({ status, body }: Answer): string => {
  const { scimType } = (body ?? {}) as Body
  return scimType === undefined ? String(status) : `${status} ${scimType}`
}

export const patchOf = (...operations: Body[]): Body => ({ schemas: [PATCH_OP], Operations: operations })

/** The resources that a query finds, or the text of its refusal. */
export async function listed(scim: Scim, path: string, query: Record<string, string> = {}): Promise<Body[]> {
  const answer = await scim('GET', `${path}?${new URLSearchParams(query)}`)
  if (answer.status !== 200) throw new Error(answer.text)
  return (json(answer).Resources ?? []) as Body[]
}
