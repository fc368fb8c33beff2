import type { AdminClient, Schemas } from '../../client/index.ts'
import { allOf, answered, answeredWithTag, ifMatch, listed } from '../connection.ts'

/** An environment, or a tenant in it, by keys. */
export interface PlaceKeys {
  readonly project: string
  readonly environment: string
  readonly tenant?: string | undefined
}

const ENVIRONMENT = '/projects/{project}/environments/{environment}'
const TENANT = `${ENVIRONMENT}/tenants/{tenant}` as const

/** How a file names a place: `shop/prod/acme`. */
export const nameOf = ({ project, environment, tenant }: PlaceKeys): string =>
  [project, environment, tenant].filter((key) => key !== undefined).join('/')

/** The paths of the admin API for a place. The client's types take those of both kinds. */
function at({ tenant, ...keys }: PlaceKeys) {
  const path = tenant === undefined ? ENVIRONMENT : TENANT
  return { path: path as typeof TENANT, keys: { ...keys, tenant: tenant ?? '' } }
}

/** What the admin API says of a place, and how it is told to change it. */
export function placeOn(client: AdminClient, place: PlaceKeys) {
  const { path, keys } = at(place)
  const params = { path: keys }
  return {
    change: (body: Schemas['TenantChange']) => answered(client.PATCH(path, { params, body })),
    /** The webhooks of the place itself, the oldest first. */
    async webhooks(): Promise<Schemas['Webhook'][]> {
      const pages = listed((query) => answered(client.GET(`${path}/webhooks`, { params: { ...params, query } })))
      const all = await allOf(pages)
      return place.tenant === undefined ? all.filter(({ tenantId }) => tenantId === null) : all
    },
    makeWebhook: (body: Schemas['NewWebhook']) => answered(client.POST(`${path}/webhooks`, { params, body })),
    changeWebhook: (webhook: string, body: Schemas['WebhookChange']) =>
      answered(client.PATCH(`${path}/webhooks/{webhook}`, { params: { path: { ...keys, webhook } }, body })),
    deleteWebhook: (webhook: string) =>
      answered(client.DELETE(`${path}/webhooks/{webhook}`, { params: { path: { ...keys, webhook } } })),
    extensions: () =>
      allOf(listed((query) => answered(client.GET(`${path}/schema-extensions`, { params: { ...params, query } })))),
    putExtension: (body: Schemas['SchemaExtensionInput']) =>
      answered(
        client.PUT(`${path}/schema-extensions/{urn}`, {
          params: { path: { ...keys, urn: String(body.schema.id) } },
          body,
        }),
      ),
    deleteExtension: (urn: string) =>
      answered(client.DELETE(`${path}/schema-extensions/{urn}`, { params: { path: { ...keys, urn } } })),
    resourceTypes: () =>
      allOf(listed((query) => answered(client.GET(`${path}/resource-types`, { params: { ...params, query } })))),
    putResourceType: (body: Schemas['ResourceTypeInput']) =>
      answered(
        client.PUT(`${path}/resource-types/{name}`, {
          params: { path: { ...keys, name: String(body.resourceType.name) } },
          body,
        }),
      ),
    deleteResourceType: (name: string) =>
      answered(client.DELETE(`${path}/resource-types/{name}`, { params: { path: { ...keys, name } } })),
    catalogue: () => orMissing(client.GET(`${path}/catalogue`, { params })),
    putCatalogue: (body: Schemas['CatalogueInput'], etag: string | undefined) =>
      answered(client.PUT(`${path}/catalogue`, { params: { ...params, ...ifMatch(etag) }, body })),
    /** The streams of the place itself that operators have made, the oldest first. */
    async streams(): Promise<Schemas['Stream'][]> {
      const pages = listed((query) => answered(client.GET(`${path}/streams`, { params: { ...params, query } })))
      const own = (await allOf(pages)).filter(({ receiver }) => receiver === null)
      return place.tenant === undefined ? own.filter(({ tenantId }) => tenantId === null) : own
    },
    makeStream: (body: Schemas['NewStream']) => answered(client.POST(`${path}/streams`, { params, body })),
    changeStream: (stream: string, body: Schemas['StreamChange']) =>
      answered(client.PATCH(`${path}/streams/{stream}`, { params: { path: { ...keys, stream } }, body })),
    deleteStream: (stream: string) =>
      answered(client.DELETE(`${path}/streams/{stream}`, { params: { path: { ...keys, stream } } })),
    /** Of a tenant. */
    domains: () =>
      allOf(listed((query) => answered(client.GET(`${TENANT}/domains`, { params: { ...params, query } })))),
    addDomain: (domain: string) => answered(client.POST(`${TENANT}/domains`, { params, body: { domain } })),
    setDomain: (domain: string) =>
      answered(
        client.PUT(`${TENANT}/domains/{domain}`, {
          params: { path: { ...keys, domain } },
          body: { takeOver: false },
        }),
      ),
    deleteDomain: (domain: string) =>
      answered(client.DELETE(`${TENANT}/domains/{domain}`, { params: { path: { ...keys, domain } } })),
  }
}

/** What was answered, with its tag; undefined where there is nothing. */
export async function orMissing<T>(
  asked: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<{ readonly body: T; readonly etag: string | null } | undefined> {
  return (await asked).response.status === 404 ? undefined : answeredWithTag(asked)
}
