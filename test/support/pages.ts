import { ACME, type Example, PROD, SCHEMA } from './example.ts'

/** A page of the gateway as people see it. */
export interface ShownPage {
  /** In words with hyphens: the name of its picture. */
  readonly name: string
  readonly path: string
  /** Who sees it: anybody, an operator who has signed in to the console, or a visitor who has begun with the set-up link. */
  readonly by: 'stranger' | 'operator' | 'visitor'
}

/** Every page that the gateway has, on the example: the console's, the portal's, and those of documentation. Tests and pictures go by it. */
export function shownPages({ ids, setupUrl }: Pick<Example, 'ids' | 'setupUrl'>): readonly ShownPage[] {
  const open = (name: string, path: string): ShownPage => ({ name, path, by: 'stranger' })
  const inside = (name: string, path: string): ShownPage => ({ name, path: `/console${path}`, by: 'operator' })
  const portal = (name: string, path: string): ShownPage => ({ name, path: `/setup/${ids.link}${path}`, by: 'visitor' })
  return [
    open('sign-in', '/console/sign-in'),
    inside('overview', ''),
    inside('find', '/find?q=acme'),
    inside('find-nothing', '/find?q=nobody-of-that-name'),
    inside('project', '/projects/shop'),
    inside('environment', PROD),
    inside('environment-settings', `${PROD}/settings`),
    inside('environment-role-rules', `${PROD}/role-rules`),
    inside('environment-catalogue', `${PROD}/catalogue`),
    inside('environment-mapping', `${PROD}/mapping`),
    inside('environment-schemas', `${PROD}/schemas`),
    inside('schema', `${PROD}/schemas/extensions/${encodeURIComponent(SCHEMA)}`),
    inside('external-issuers', `${PROD}/external-issuers`),
    inside('environment-api-keys', `${PROD}/api-keys`),
    inside('new-tenant', `${PROD}/new-tenant`),
    inside('first-steps', `${PROD}/tenants/hooli`),
    inside('tenant', ACME),
    inside('people', `${ACME}/people`),
    inside('people-deleted', `${ACME}/people/deleted`),
    inside('erasures', `${ACME}/erasures`),
    inside('user', `${ACME}/users/${ids.user}`),
    inside('leaver', `${ACME}/users/${ids.leaver}`),
    inside('groups', `${ACME}/groups`),
    inside('group', `${ACME}/groups/${ids.group}`),
    inside('history', `${ACME}/history`),
    inside('history-user', `${ACME}/history/users/${ids.user}`),
    inside('events', `${ACME}/events`),
    inside('accounts', `${ACME}/accounts`),
    inside('account-drift', `${ACME}/account-drift`),
    inside('domains', `${ACME}/domains`),
    inside('brake', `${ACME}/brake/held`),
    inside('requests', `${ACME}/requests`),
    inside('requests-refused', `${ACME}/requests?status=4xx`),
    inside('request', `${ACME}/requests/${ids.request}`),
    inside('connection', `${ACME}/connection`),
    inside('setup-links', `${ACME}/setup-links`),
    inside('webhooks', `${ACME}/webhooks`),
    inside('webhook', `${ACME}/webhooks/${ids.webhook}`),
    inside('stream', `${ACME}/streams/${ids.stream}`),
    inside('settings', `${ACME}/settings`),
    inside('role-rules', `${ACME}/role-rules`),
    inside('catalogue', `${ACME}/catalogue`),
    inside('mapping', `${ACME}/mapping`),
    inside('schemas', `${ACME}/schemas`),
    inside('api-keys', '/api-keys'),
    inside('api-keys-of-tenant', `${ACME}/api-keys`),
    inside('api-key', `${ACME}/api-keys/${ids.apiKey}`),
    inside('move', `${ACME}/move`),
    inside('sign-in-check', `${ACME}/sign-in-check?identity=ada%40acme.example`),
    inside('configuration', '/configuration'),
    inside('audit-log', '/audit-log'),
    inside('audit-log-of-tenant', `${ACME}/audit-log`),
    inside('sessions', '/sessions'),
    inside('not-found', '/nowhere'),
    open('setup-welcome', new URL(setupUrl).pathname),
    open('setup-not-found', '/setup/enter/nothing'),
    portal('setup-overview', ''),
    portal('setup-steps', '/steps'),
    portal('setup-guide', '/guides/entra'),
    portal('setup-tokens', '/tokens'),
    portal('setup-self-test', '/self-test'),
    portal('setup-arrivals', '/arrivals'),
    open('modes', '/docs/modes'),
    open('event-catalogue', '/docs/events'),
    open('admin-api', '/api/docs'),
  ]
}

/** How pages are looked at: as wide as a laptop or a phone, in either theme. */
export const VIEWS = [
  { width: 1_280, height: 900, colorScheme: 'light' },
  { width: 1_280, height: 900, colorScheme: 'dark' },
  { width: 390, height: 844, colorScheme: 'light' },
  { width: 390, height: 844, colorScheme: 'dark' },
] as const
