import type { Schemas } from '../../client/index.ts'
import { answered, ifMatch } from '../connection.ts'
import { followCatalogue } from './catalogue.ts'
import { followDefinitions, removeDefinitions } from './definitions.ts'
import { changeOf, type Difference, differencesOf, type Step, settingsDifferences } from './differences.ts'
import { followDomains } from './domains.ts'
import type { ConfigurationFile, EnvironmentPart, ProjectPart, TenantPart, WebhookPart } from './file.ts'
import type { Following } from './following.ts'
import { nameOf, orMissing, type PlaceKeys, placeOn } from './places.ts'
import { followStreams } from './streams.ts'

const PROJECT = '/projects/{project}'
const ENVIRONMENT = `${PROJECT}/environments/{environment}` as const
const TENANT = `${ENVIRONMENT}/tenants/{tenant}` as const

/**
 * Makes what there is as a file says, from the outside in. What fails ends it; what was done before is whole, and following the
 * file again goes on from there.
 *
 * @throws {CliError} for a refusal of the gateway, in its words
 */
export async function follow(file: ConfigurationFile, how: Following): Promise<void> {
  for (const [key, part] of Object.entries(file.projects)) await followProject(key, part, how)
}

async function followProject(project: string, part: ProjectPart, how: Following): Promise<void> {
  const { client } = how
  const { environments = {}, ...wanted } = part
  const params = { path: { project } }
  const there = await orMissing(client.GET(PROJECT, { params }))
  await settlePlace(how, {
    ...{ what: 'project', at: project, there: there?.body, wanted },
    create: (body) => answered(client.POST('/projects', { body: { key: project, ...body } })),
    change: (body) =>
      answered(client.PATCH(PROJECT, { params: { ...params, ...ifMatch(there?.etag ?? undefined) }, body })),
  })
  const isThere = there !== undefined || !how.dry
  for (const [key, part] of Object.entries(environments)) await followEnvironment(project, key, part, isThere, how)
}

async function followEnvironment(
  project: string,
  environment: string,
  part: EnvironmentPart,
  around: boolean,
  how: Following,
): Promise<void> {
  const { client } = how
  const { tenants = {}, settings, ...inside } = part
  const params = { path: { project, environment } }
  const there = around ? await orMissing(client.GET(ENVIRONMENT, { params })) : undefined
  const guarded = { ...params, ...ifMatch(there?.etag ?? undefined) }
  const place = { project, environment }
  const made = await settle(place, part, how, {
    ...{ what: 'environment', there: there?.body, wanted: ofPlace(inside), settings },
    create: (body) =>
      answered(
        client.POST(`${PROJECT}/environments`, { params: { path: { project } }, body: { key: environment, ...body } }),
      ),
    change: (body) => answered(client.PATCH(ENVIRONMENT, { params: guarded, body })),
    preview: async (body) =>
      environmentNotes(await answered(client.POST(`${ENVIRONMENT}/preview`, { params: guarded, body }))),
  })
  await followInside(place, part, made, how)
  for (const [key, part] of Object.entries(tenants)) await followTenant({ ...place, tenant: key }, part, made, how)
}

async function followTenant(
  place: PlaceKeys & { readonly tenant: string },
  part: TenantPart,
  around: boolean,
  how: Following,
): Promise<void> {
  const { client } = how
  const { settings, ...inside } = part
  const { project, environment, tenant } = place
  const params = { path: place }
  const there = around ? await orMissing(client.GET(TENANT, { params })) : undefined
  const guarded = { ...params, ...ifMatch(there?.etag ?? undefined) }
  const made = await settle(place, part, how, {
    ...{ what: 'tenant', there: there?.body, wanted: ofPlace(inside), settings },
    create: (body) =>
      answered(
        client.POST(`${ENVIRONMENT}/tenants`, {
          params: { path: { project, environment } },
          body: { key: tenant, ...body },
        }),
      ),
    change: (body) => answered(client.PATCH(TENANT, { params: guarded, body })),
    preview: async (body) => tenantNotes(await answered(client.POST(`${TENANT}/preview`, { params: guarded, body }))),
  })
  await followInside(place, part, made, how)
}

/** What a file says of a place itself, apart from what is in it. */
const ofPlace = ({ name, paused }: TenantPart) => ({
  ...(name !== undefined && { name }),
  ...(paused !== undefined && { paused }),
})

interface Settled {
  readonly what: string
  readonly at: string
  readonly there: ({ readonly settings?: object } & object) | undefined
  readonly wanted: object
  readonly settings?: object | undefined
  readonly create: (body: object) => Promise<unknown>
  readonly change: (body: object) => Promise<unknown>
  /** Tells what a change would do, and refuses what it would refuse. */
  readonly preview?: (body: object) => Promise<string[]>
}

/**
 * Makes or changes an environment or a tenant, with its schemas. A mapping reads attributes that schemas have. So it is set once the
 * schemas of the file are there, and before others go.
 *
 * @returns false where it is not there, since nothing is changed
 */
async function settle(place: PlaceKeys, part: TenantPart, how: Following, one: Omit<Settled, 'at'>): Promise<boolean> {
  const on = placeOn(how.client, place)
  const at = nameOf(place)
  if (one.there !== undefined) {
    const { changed, beside } = await followDefinitions(place, part, true, on, how)
    const { preview } = one
    // What is not there yet, the gateway cannot look a mapping up in.
    const asked = preview && changed && how.dry ? (body: object) => preview(withoutMapping(body)) : preview
    await settlePlace(how, { ...one, at, ...(asked && { preview: asked }) })
    await removeDefinitions(place, beside, how)
    return true
  }
  const { mapping, ...settings } = (one.settings ?? {}) as { readonly mapping?: Schemas['MappingInput']['mapping'] }
  const isThere = await settlePlace(how, { ...one, at, settings: one.settings && settings })
  const { beside } = await followDefinitions(place, part, isThere, on, how)
  if (isThere && mapping !== undefined) await on.change({ settings: { mapping } })
  await removeDefinitions(place, beside, how)
  return isThere
}

const withoutMapping = (body: { readonly settings?: object }) => {
  const { mapping: _, ...settings } = (body.settings ?? {}) as { readonly mapping?: unknown }
  return { ...body, settings }
}

/** Makes or changes one place. False where it is not there, since nothing is changed. */
async function settlePlace({ dry, told }: Following, one: Settled): Promise<boolean> {
  const { what, at, there, wanted, settings, create, change, preview } = one
  if (there === undefined) {
    if (!dry) await create({ ...wanted, ...(settings && { settings }) })
    told({ action: 'create', what, at, differences: [], notes: [] })
    return !dry
  }
  const differences = [
    ...differencesOf(there as Record<string, unknown>, wanted as Record<string, unknown>),
    ...settingsDifferences(
      (there.settings ?? {}) as Record<string, unknown>,
      settings as Record<string, unknown> | undefined,
    ),
  ]
  if (differences.length === 0) return true
  const body = changeOf(differences)
  const notes = dry && preview !== undefined ? await preview(body) : []
  if (!dry) await change(body)
  told({ action: 'change', what, at, differences, notes })
  return true
}

const rolesInWords = ({ gains, loses, tooMuch }: Schemas['RolePreview']): string[] => {
  if (tooMuch !== null) return [`roles: ${tooMuch}`]
  return gains || loses ? [`roles: ${gains} gained, ${loses} lost`] : []
}
const tenantNotes = ({ roles, warnings }: Schemas['TenantPreview']): string[] => [...rolesInWords(roles), ...warnings]
const environmentNotes = ({ tenants }: Schemas['EnvironmentPreview']): string[] =>
  tenants.flatMap(({ key, roles }) => rolesInWords(roles).map((words) => `${key}: ${words}`))

/** What is in an environment or a tenant, beside its settings and schemas. @param isThere whether the place is */
async function followInside(place: PlaceKeys, part: TenantPart, isThere: boolean, how: Following): Promise<void> {
  const on = placeOn(how.client, place)
  const { webhooks, catalogue, streams, domains } = part
  if (catalogue !== undefined)
    await followCatalogue(place, catalogue, isThere ? await on.catalogue() : undefined, on, how)
  if (domains !== undefined) await followDomains(place, domains, isThere ? await on.domains() : [], on, how)
  if (webhooks !== undefined) await followWebhooks(place, webhooks, isThere ? await on.webhooks() : [], on, how)
  if (streams !== undefined) await followStreams(place, streams, isThere ? await on.streams() : [], on, how)
}

async function followWebhooks(
  place: PlaceKeys,
  wanted: readonly WebhookPart[],
  there: readonly Schemas['Webhook'][],
  on: ReturnType<typeof placeOn>,
  { dry, told, prune, secret }: Following,
): Promise<void> {
  const left = new Set(there)
  const tell = (action: Step['action'], url: string, differences: readonly Difference[] = []) =>
    told({ action, what: 'webhook', at: `${nameOf(place)} ${url}`, differences, notes: [] })
  for (const { enabled, ...webhook } of wanted) {
    const stored = there.find(({ url }) => url === webhook.url)
    if (stored === undefined) {
      if (!dry) {
        const made = await on.makeWebhook(webhook)
        await secret(`${nameOf(place)} ${webhook.url}`, made.secret)
        if (enabled === false) await on.changeWebhook(made.id, { enabled })
      }
      tell('create', webhook.url)
      continue
    }
    left.delete(stored)
    const differences = differencesOf({ ...stored }, { ...webhook, enabled })
    if (differences.length === 0) continue
    if (!dry) await on.changeWebhook(stored.id, changeOf(differences))
    tell('change', webhook.url, differences)
  }
  for (const { id, url } of left) {
    if (prune && !dry) await on.deleteWebhook(id)
    tell(prune ? 'delete' : 'left', url)
  }
}
