import type { AdminClient, Schemas } from '../../client/index.ts'
import { allOf, answered, listed } from '../connection.ts'
import { CliError, EXIT } from '../failure.ts'
import { catalogueAsPart } from './catalogue.ts'
import { domainAsPart } from './domains.ts'
import type { ConfigurationFile, EnvironmentPart, ProjectPart, TenantPart } from './file.ts'
import { type PlaceKeys, placeOn } from './places.ts'
import { streamAsPart } from './streams.ts'

const PROJECT = '/projects/{project}'
const ENVIRONMENT = `${PROJECT}/environments/{environment}` as const

/**
 * What there is, as a file that would change nothing. Secrets are not in it.
 *
 * @param only `project`, `project/environment` or `project/environment/tenant`; undefined for everything
 * @throws {CliError} for a place that is not there, or not for this key
 */
export async function pulled(client: AdminClient, only: string | undefined): Promise<ConfigurationFile> {
  const [project, environment, tenant, ...more] = only?.split('/') ?? []
  if (more.length > 0 || only?.split('/').includes(''))
    throw new CliError(EXIT.usage, '--only takes PROJECT, PROJECT/ENVIRONMENT or PROJECT/ENVIRONMENT/TENANT')
  const projects =
    project === undefined
      ? await allOf(listed((query) => answered(client.GET('/projects', { params: { query } }))))
      : [await named(client, project, environment)]
  const parts: Record<string, ProjectPart> = {}
  for (const { key, ...row } of projects)
    parts[key] = { ...ofPlace(key, row), environments: await environmentsOf(client, key, environment, tenant) }
  return { projects: parts }
}

/** A key of an environment does not see the project; what is in it is written all the same. */
async function named(client: AdminClient, project: string, environment: string | undefined) {
  if (environment === undefined) return answered(client.GET(PROJECT, { params: { path: { project } } }))
  return { key: project, name: undefined, paused: false }
}

/** What people call a place, and whether it is paused, where that says anything. */
const ofPlace = (key: string, { name, paused }: { readonly name?: string | undefined; readonly paused: boolean }) => ({
  ...(name !== undefined && name !== key && { name }),
  ...(paused && { paused }),
})

async function environmentsOf(
  client: AdminClient,
  project: string,
  only: string | undefined,
  tenant: string | undefined,
) {
  const path = { project }
  const parts: Record<string, EnvironmentPart> = {}
  if (only !== undefined && tenant !== undefined) {
    parts[only] = { tenants: await tenantsOf(client, { project, environment: only }, tenant) }
    return parts
  }
  const environments =
    only === undefined
      ? await allOf(listed((query) => answered(client.GET(`${PROJECT}/environments`, { params: { path, query } }))))
      : [await answered(client.GET(ENVIRONMENT, { params: { path: { ...path, environment: only } } }))]
  for (const row of environments) {
    const place = { project, environment: row.key }
    parts[row.key] = {
      ...(await withInside(client, place, row)),
      tenants: await tenantsOf(client, place, undefined),
    } as EnvironmentPart
  }
  return parts
}

async function tenantsOf(client: AdminClient, place: PlaceKeys, only: string | undefined) {
  const tenants = `${ENVIRONMENT}/tenants` as const
  const rows =
    only === undefined
      ? listed((query) => answered(client.GET(tenants, { params: { path: place, query } })))
      : [await answered(client.GET(`${tenants}/{tenant}`, { params: { path: { ...place, tenant: only } } }))]
  const parts: Record<string, TenantPart> = {}
  for await (const row of rows) parts[row.key] = await withInside(client, { ...place, tenant: row.key }, row)
  return parts
}

type Row = Pick<Schemas['Tenant'], 'key' | 'name' | 'paused'> & { readonly settings: object }

async function withInside(client: AdminClient, place: PlaceKeys, { key, settings, ...row }: Row): Promise<TenantPart> {
  const on = placeOn(client, place)
  const [webhooks, extensions, types] = await Promise.all([on.webhooks(), on.extensions(), on.resourceTypes()])
  const [catalogue, streams] = await Promise.all([on.catalogue(), on.streams()])
  const domains = place.tenant === undefined ? [] : await on.domains()
  return {
    ...ofPlace(key, row),
    ...(Object.keys(settings).length > 0 && { settings: settings as TenantPart['settings'] }),
    ...(types.length > 0 && {
      resourceTypes: types.map(({ resourceType, schemas }) => ({ resourceType, schemas }) as never),
    }),
    ...(extensions.length > 0 && {
      schemaExtensions: extensions.map(
        ({ schema, resourceType, required }) => ({ schema, resourceType, required }) as never,
      ),
    }),
    ...(catalogue !== undefined && { catalogue: catalogueAsPart(catalogue.body) }),
    ...(streams.length > 0 && { streams: streams.map(streamAsPart) }),
    ...(domains.length > 0 && { domains: domains.map(domainAsPart) }),
    ...(webhooks.length > 0 && {
      webhooks: webhooks.map(({ url, description, events, snapshot, enabled }) => ({
        ...{ url, description, events, snapshot },
        ...(!enabled && { enabled }),
      })),
    }),
  }
}
