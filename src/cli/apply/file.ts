import { LineCounter, parseDocument, stringify } from 'yaml'
import { z } from 'zod'
import { environmentSettings, tenantSettings } from '../../tenancy/settings.ts'
import { CliError, EXIT } from '../failure.ts'
import { cataloguePart } from './catalogue.ts'
import { domainPart } from './domains.ts'
import { streamParts } from './streams.ts'

const MOST_NAMED = 10

const webhook = z.strictObject({
  url: z.url(),
  description: z.string().default(''),
  events: z.array(z.string()).default([]),
  snapshot: z.boolean().default(false),
  /** Without it, a webhook that the gateway has disabled stays so. */
  enabled: z.boolean().optional(),
})
const json = z.record(z.string(), z.unknown())
const extension = z.strictObject({
  schema: json.and(z.looseObject({ id: z.string() })),
  resourceType: z.string(),
  required: z.boolean().default(false),
})
const resourceType = z.strictObject({
  resourceType: json.and(z.looseObject({ name: z.string() })),
  schemas: z.array(json),
})
/** What is written as `acme:` and nothing behind it is there, with nothing to say of it. */
const orEmpty = <Shape extends z.ZodType>(shape: Shape) => z.preprocess((given) => given ?? {}, shape)
const named = <Shape extends z.ZodType>(shape: Shape) => z.record(z.string(), orEmpty(shape))

const ofPlace = { name: z.string().optional(), paused: z.boolean().optional() }
const ofTenants = {
  ...ofPlace,
  webhooks: z
    .array(webhook)
    .refine((all) => new Set(all.map(({ url }) => url)).size === all.length, 'name one address twice')
    .optional(),
  schemaExtensions: z.array(extension).optional(),
  resourceTypes: z.array(resourceType).optional(),
  catalogue: cataloguePart.optional(),
  streams: streamParts.optional(),
}
const tenant = z.strictObject({
  ...ofTenants,
  settings: tenantSettings.optional(),
  domains: z.array(domainPart).optional(),
})
const environment = z.strictObject({
  ...ofTenants,
  settings: environmentSettings.optional(),
  tenants: named(tenant).optional(),
})
const project = z.strictObject({ ...ofPlace, environments: named(environment).optional() })
const file = z.strictObject({ projects: named(project) })

/** What a file of configuration says. What it does not name is left as it is. */
export type ConfigurationFile = z.infer<typeof file>
export type ProjectPart = z.infer<typeof project>
export type EnvironmentPart = z.infer<typeof environment>
export type TenantPart = z.infer<typeof tenant>
export type WebhookPart = z.infer<typeof webhook>

/**
 * Reads a file of configuration, which is YAML or JSON.
 *
 * @param name of the file, for messages
 * @throws {CliError} for what it cannot say, with lines of the file
 */
export function readConfiguration(text: string, name: string): ConfigurationFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const refuse = (problems: readonly string[]) => new CliError(EXIT.usage, problems.slice(0, MOST_NAMED).join('; '))
  if (document.errors.length > 0)
    throw refuse(
      document.errors.map(
        ({ pos, message }) => `${name}, line ${lines.linePos(pos[0]).line}: ${message.split('\n')[0]}`,
      ),
    )
  const read = file.safeParse(document.toJS({ maxAliasCount: 100 }))
  if (read.success) return read.data
  throw refuse(
    read.error.issues.map(({ path, message }) => {
      const node = document.getIn(path as (string | number)[], true) as { range?: [number] } | undefined
      const line = node?.range === undefined ? '' : `, line ${lines.linePos(node.range[0]).line}`
      return `${name}${line}: ${path.join('.')} ${message}`
    }),
  )
}

/** A configuration as the text of a file. */
export const writeConfiguration = (configuration: ConfigurationFile): string =>
  stringify(configuration, { lineWidth: 0, aliasDuplicateObjects: false })
