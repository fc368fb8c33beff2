/** A user to seed: any attribute of a SCIM user may stand beside `userName`. */
export interface SeedUser {
  readonly userName: string
  readonly [attribute: string]: unknown
}

/** A group to seed, with its members by `userName`. */
export interface SeedGroup {
  readonly displayName: string
  readonly externalId?: string
  readonly members?: readonly string[]
}

/** Who a directory begins with. */
export interface Seed {
  readonly users?: readonly SeedUser[]
  readonly groups?: readonly SeedGroup[]
}

/** The ids of what was seeded, users by `userName` and groups by `displayName`. */
export interface Seeded {
  readonly users: Readonly<Record<string, string>>
  readonly groups: Readonly<Record<string, string>>
}

/** Whose conversation can be played; `generic` keeps to the letter of the RFCs. */
export type Provider =
  | ('okta' | 'entra' | 'google' | 'onelogin' | 'jumpcloud' | 'ping' | 'rippling' | 'keycloak' | 'authentik')
  | 'generic'

/** What an identity provider can be made to play. */
export type Scenario = 'joiner' | 'mover' | 'leaver' | 'big-sync'

/** What may be said about who it is about. */
export interface PlayOptions {
  /** Of the joiner, mover or leaver. Without it: somebody new joins, and the newest active user moves or leaves. */
  readonly userName?: string | undefined
  /** How many people a `big-sync` brings; 100 by default. */
  readonly users?: number | undefined
}

/** One request that was played, and what came of it. */
export interface Played {
  readonly title: string
  readonly request: string
  readonly status: number
  readonly ms: number
  /** Of the user that it is about. */
  readonly userName: string | undefined
}

/** A customer of a gateway for development: a tenant with a key for each side of it. */
export interface TestCustomer {
  readonly project: string
  readonly environment: string
  /** The tenant's key in URLs. */
  readonly tenant: string
  readonly tenantId: string
  readonly name: string
  /** Where its identity provider sends to, and with which key. */
  readonly scim: { readonly baseUrl: string; readonly key: string }
  /** Of the application: `directory:read` in the environment. */
  readonly appKey: string
}

/** What the thread of the gateway is asked to do, by name. */
export interface Calls {
  seed: { readonly in: Seed; readonly out: Seeded }
  play: {
    readonly in: { readonly provider: Provider; readonly scenario: Scenario | undefined; readonly options: PlayOptions }
    readonly out: readonly Played[]
  }
  forward: {
    readonly in: { readonly url: string; readonly secret: string; readonly here: boolean }
    readonly out: null
  }
  stop: { readonly in: null; readonly out: null }
}

/** A message to the thread of the gateway: a call, or what the handler of an event has answered. */
export type ToGateway =
  | { readonly kind: 'call'; readonly id: number; readonly name: keyof Calls; readonly input: unknown }
  | { readonly kind: 'answered'; readonly id: number; readonly status: number }

/** A message from it: it runs, or it cannot; what came of a call; an event for the handler. */
export type FromGateway =
  | {
      readonly kind: 'running'
      readonly origin: string
      readonly adminKey: string
      readonly customer: TestCustomer
      readonly position: number
    }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'done'; readonly id: number; readonly output: unknown; readonly fault: string | undefined }
  | {
      readonly kind: 'event'
      readonly id: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
    }

/** What the thread of the gateway is started with. */
export interface GatewayThreadData {
  /** Whether Acme has people. */
  readonly people: boolean
}
