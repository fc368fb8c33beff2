import { z } from 'zod'
import { ADDRESS_RANGE, isAddressRange } from '../network/addresses.ts'
import { UNKNOWN_ATTRIBUTES, type UnknownAttributes } from '../scim/deviations/index.ts'
import type { Mode } from '../scim/deviations/mode.ts'
import { MODES } from '../scim/deviations/mode.ts'
import { type Adoption, adoption, DEFAULT_ADOPTION } from './adoption.ts'
import { type Mapping, mapping } from './mapping/form.ts'
import { type RoleRule, roleRule } from './role-rules.ts'
import { type ExternalIssuer, externalIssuer, type LogoutIssuer, logoutIssuer } from './trusted-issuers.ts'

/** When more people leave at a time than is usual, and what is done then. */
export const leaverBrake = z
  .strictObject({
    /** `warn` says so in the log; `hold` keeps their events back until an administrator approves them. */
    mode: z.enum(['off', 'warn', 'hold']),
    /** More leavers than these are too many, in number or of a hundred active users; one of the two, or both. */
    count: z.int().min(1).max(1_000_000).optional(),
    percent: z.number().min(0.1).max(100).optional(),
    /** Over how long they are counted. */
    windowMinutes: z.int().min(1).max(1_440).default(60),
    /** After so many hours held events go out without approval. A week at most, so that none is too old to be kept by then. */
    releaseAfterHours: z.number().min(0.01).max(168).default(24),
  })
  .refine(({ mode, count, percent }) => mode === 'off' || count !== undefined || percent !== undefined, {
    message: 'must have a count or a percent of leavers that is too many',
  })
  .meta({ description: 'With a `count` or a `percent`, unless `mode` is `off`.' })
export type LeaverBrake = z.infer<typeof leaverBrake>

/** How the set-up portal looks to the customers of an environment, and whose pages may show it in a frame. */
export const setupPortal = z.strictObject({
  /** Whose portal it says it is; empty for the name of the project. */
  name: z
    .string()
    .max(80)
    .refine((text) => /^[^\p{Cc}\p{Cs}]*$/u.test(text), 'must not have control characters')
    .default(''),
  /** Of links and buttons; made darker or lighter where it could not be read. */
  colour: z
    .string()
    .regex(/^#[0-9a-fA-F]{6}$/, 'must be a colour such as #2457c5')
    .default('#2457c5'),
  frameAncestors: z
    .array(
      z
        .string()
        .max(200)
        .regex(
          /^(?:https:\/\/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|http:\/\/(?:localhost|127\.0\.0\.1))(?::\d{1,5})?$/,
          'must be an origin such as https://app.example.com, in lower case and without a path',
        ),
    )
    .max(20)
    .default([])
    .readonly(),
})
export type SetupPortal = z.infer<typeof setupPortal>

/** What the provisioning log keeps. */
export const REQUEST_LOG_MODES = ['off', 'failures', 'all'] as const
export type RequestLogMode = (typeof REQUEST_LOG_MODES)[number]

/** Everything that varies from tenant to tenant, with the defaults filled in. */
export interface Settings {
  /**
   * Whether users, or groups, are provisioned at all. Where not, their endpoint refuses writes, and reads too unless
   * `whenSyncIsOff` is `empty`.
   */
  readonly userSync: boolean
  readonly groupSync: boolean
  /** What a query finds where that is off: a refusal, or nothing. Entra ID tests a connection with `GET /Groups`. */
  readonly whenSyncIsOff: 'refuse' | 'empty'
  /** Whether there are AI agents, as resources of their own at `/Agents`. */
  readonly agents: boolean
  /** How far to depart from the letter of the RFCs for clients' sake. */
  readonly mode: Mode
  /** What becomes of attributes that no schema of the tenant has. */
  readonly unknownAttributes: UnknownAttributes
  /** Whether two groups of a tenant may not share a displayName. */
  readonly uniqueGroupNames: boolean
  /** What becomes of a password that a client sends. */
  readonly password: 'hash' | 'drop' | 'refuse'
  /** Whether queries over all resource types at the base URL are answered (RFC 7644 §3.4.2.1). */
  readonly rootQueries: boolean
  /** Whether members and managers that do not exist yet are accepted. */
  readonly deferReferenceChecks: boolean
  /** Whether the discovery endpoints answer without a key (RFC 7644 §4). */
  readonly anonymousDiscovery: boolean
  /** Whether SCIM takes API keys by HTTP Basic too, for clients that can do nothing else. */
  readonly basicAuthentication: boolean
  /** Whose JWTs SCIM takes in the place of keys. */
  readonly externalIssuers: ExternalIssuer[]
  /** Who may end the sessions of users by Global Token Revocation. */
  readonly logoutIssuers: LogoutIssuer[]
  /** What a DELETE of a user does: all of it goes, or its id is kept for a while, so that it is the same user if it comes back. */
  readonly onDelete: 'remove' | 'deactivate'
  /** How many days deleted users are kept, where they are. */
  readonly keepDeletedDays: number
  /** How many users may be active at a time, as the customer's plan has it; all but those whose `active` is false are. */
  readonly maxActiveUsers: number | 'unlimited'
  /** Addresses and networks (CIDR) from which SCIM requests are accepted; an empty list accepts all. */
  readonly allowedAddresses: readonly string[]
  /** How many SCIM requests a second each instance accepts from all clients of the tenant, sustained. */
  readonly requestsPerSecond: number | 'unlimited'
  /** The attribute by which a person who signs in is found: its value is what SSO asserts. */
  readonly signInAttribute: 'externalId' | 'userName' | 'email'
  /** Whether people may sign in of whom the directory knows nothing. */
  readonly allowNotProvisioned: boolean
  /** What is done when too many people leave at a time. */
  readonly leaverBrake: LeaverBrake
  /** When a user is the same person as an account of the application, and what is done then. */
  readonly adoption: Adoption
  /** Which groups give which roles. */
  readonly roleRules: readonly RoleRule[]
  /** What the application reads of a user as `mapped`; an empty one gives nothing. */
  readonly mapping: Mapping
  /** Which SCIM requests the provisioning log keeps: none, those that were refused or failed, or all. */
  readonly requestLog: RequestLogMode
  /** How many bytes of each body it keeps. */
  readonly requestLogBodyBytes: number
  /** Whether a history is kept of who was there, active, in which groups and with which roles, beyond the events' retention. */
  readonly history: boolean
  /** Whether an unknown tenant in a URL is made on first use; a setting of the environment alone. */
  readonly createUnknownTenants: boolean
  /** For how many days events are kept; a setting of the environment alone. */
  readonly eventRetentionDays: number
  /** How the set-up portal looks, and where it may be embedded; a setting of the environment alone. */
  readonly setupPortal: SetupPortal
  /** For how many days the provisioning log keeps requests; a setting of the environment alone. */
  readonly requestLogDays: number
  /** For how many days the history keeps what is over; a setting of the environment alone. */
  readonly historyRetentionDays: number
}

export const DEFAULT_SETTINGS: Settings = Object.freeze({
  userSync: true,
  groupSync: true,
  whenSyncIsOff: 'refuse',
  agents: false,
  mode: 'lenient',
  unknownAttributes: 'by-mode',
  uniqueGroupNames: true,
  password: 'hash',
  rootQueries: true,
  deferReferenceChecks: false,
  anonymousDiscovery: false,
  basicAuthentication: false,
  externalIssuers: [],
  logoutIssuers: [],
  onDelete: 'remove',
  keepDeletedDays: 30,
  maxActiveUsers: 'unlimited',
  allowedAddresses: Object.freeze([]),
  requestsPerSecond: 'unlimited',
  signInAttribute: 'userName',
  allowNotProvisioned: false,
  leaverBrake: Object.freeze({ mode: 'off', windowMinutes: 60, releaseAfterHours: 24 }),
  adoption: DEFAULT_ADOPTION,
  roleRules: Object.freeze([]),
  mapping: Object.freeze({}),
  requestLog: 'all',
  requestLogBodyBytes: 16_384,
  history: false,
  createUnknownTenants: false,
  eventRetentionDays: 90,
  setupPortal: Object.freeze({ name: '', colour: '#2457c5', frameAncestors: Object.freeze([]) }),
  requestLogDays: 14,
  historyRetentionDays: 1_095,
})

/** A limit, or none. */
const unlimitedOr = (least: number, most: number) =>
  z.union([z.literal('unlimited'), z.int().min(least).max(most)], {
    error: `must be a whole number from ${least.toLocaleString('en')} to ${most.toLocaleString('en')}, or "unlimited"`,
  })

const ofTenant = {
  userSync: z.boolean(),
  groupSync: z.boolean(),
  whenSyncIsOff: z.enum(['refuse', 'empty']),
  agents: z.boolean(),
  mode: z.enum(MODES),
  unknownAttributes: z.enum(UNKNOWN_ATTRIBUTES),
  uniqueGroupNames: z.boolean(),
  password: z.enum(['hash', 'drop', 'refuse']),
  rootQueries: z.boolean(),
  deferReferenceChecks: z.boolean(),
  anonymousDiscovery: z.boolean(),
  basicAuthentication: z.boolean(),
  externalIssuers: z.array(externalIssuer).max(5),
  logoutIssuers: z.array(logoutIssuer).max(5),
  onDelete: z.enum(['remove', 'deactivate']),
  keepDeletedDays: z.int().min(1).max(3_650),
  maxActiveUsers: unlimitedOr(0, 1_000_000_000),
  allowedAddresses: z
    .array(
      z.string().max(64).refine(isAddressRange, ADDRESS_RANGE).meta({ pattern: '^[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?$' }),
    )
    .max(1_000)
    .readonly()
    .meta({ description: 'IP addresses, and networks in CIDR notation.' }),
  // Entra asks for 25 and IPSIE makes it the least: a client that keeps to the rules is never held up.
  requestsPerSecond: unlimitedOr(25, 1_000_000),
  signInAttribute: z.enum(['externalId', 'userName', 'email']),
  allowNotProvisioned: z.boolean(),
  leaverBrake,
  adoption,
  roleRules: z.array(roleRule).max(200).readonly(),
  mapping,
  requestLog: z.enum(REQUEST_LOG_MODES),
  requestLogBodyBytes: z.int().min(0).max(65_536),
  history: z.boolean(),
}
const ofEnvironment = {
  ...ofTenant,
  createUnknownTenants: z.boolean(),
  // Twice as long as queries by lastModified rely on the log, and far longer than deliveries are tried.
  eventRetentionDays: z.number().int().min(14).max(3_650),
  setupPortal,
  requestLogDays: z.int().min(1).max(365),
  // A quarter and the time to look at it.
  historyRetentionDays: z.int().min(120).max(36_500),
}

/** What a tenant sets for itself; unknown names are refused. */
export const tenantSettings = z.strictObject(ofTenant).partial()
export type TenantSettings = z.infer<typeof tenantSettings>

/** What an environment sets for its tenants; unknown names are refused. */
export const environmentSettings = z.strictObject(ofEnvironment).partial()
export type EnvironmentSettings = z.infer<typeof environmentSettings>

/** A change of settings: what is named is set, and `null` takes a setting back to what is inherited. */
export const tenantSettingsChange = z.strictObject(nullable(ofTenant)).partial()
export const environmentSettingsChange = z.strictObject(nullable(ofEnvironment)).partial()
export type TenantSettingsChange = z.infer<typeof tenantSettingsChange>
export type EnvironmentSettingsChange = z.infer<typeof environmentSettingsChange>

// Names that a newer version stored are passed over, so that going back a version does not stop every request.
const storedSettings = z.object(ofEnvironment).partial()

/**
 * Reads settings as stored with an environment or a tenant.
 *
 * @throws {z.ZodError} when a value is none that was ever allowed
 */
export const parseStoredSettings = (stored: unknown): EnvironmentSettings => storedSettings.parse(stored)

/** The settings in force: defaults, then the environment's, then the tenant's own. */
export function effectiveSettings(environment: EnvironmentSettings, tenant: TenantSettings = {}): Settings {
  const own: EnvironmentSettings = tenant
  const inForce = (Object.keys(DEFAULT_SETTINGS) as (keyof Settings)[]).map((name) => {
    const set = name in ofTenant ? (own[name] ?? environment[name]) : environment[name]
    return [name, set ?? DEFAULT_SETTINGS[name]]
  })
  return Object.freeze(Object.fromEntries(inForce) as unknown as Settings)
}

/** `stored` with `change` merged into it. */
export function changeSettings(
  stored: EnvironmentSettings,
  change: TenantSettingsChange | EnvironmentSettingsChange,
): EnvironmentSettings {
  const merged = Object.entries({ ...stored, ...change }).filter(([, value]) => value !== null && value !== undefined)
  return parseStoredSettings(Object.fromEntries(merged))
}

function nullable<Shape extends Record<string, z.ZodType>>(shape: Shape) {
  return Object.fromEntries(Object.entries(shape).map(([name, type]) => [name, type.nullable()])) as {
    [Name in keyof Shape]: z.ZodNullable<Shape[Name]>
  }
}
