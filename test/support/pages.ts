import { ACME, type Example, PROD } from './example.ts'

/** A page of the gateway as people see it. */
export interface ShownPage {
  /** In words with hyphens: the name of its picture. */
  readonly name: string
  readonly path: string
  /** False for a page without a session. */
  readonly signedIn: boolean
}

/** Every page that the gateway has, on the example: the console's, and those of documentation. Tests and pictures go by it. */
export function shownPages({ ids }: Pick<Example, 'ids'>): readonly ShownPage[] {
  const open = (name: string, path: string): ShownPage => ({ name, path, signedIn: false })
  const inside = (name: string, path: string): ShownPage => ({ name, path: `/console${path}`, signedIn: true })
  return [
    open('sign-in', '/console/sign-in'),
    inside('overview', ''),
    inside('environment', PROD),
    inside('tenant', ACME),
    inside('users', `${ACME}/users`),
    inside('user', `${ACME}/users/${ids.user}`),
    inside('groups', `${ACME}/groups`),
    inside('group', `${ACME}/groups/${ids.group}`),
    inside('events', `${ACME}/events`),
    inside('brake', `${ACME}/brake/held`),
    inside('webhook', `${ACME}/webhooks/${ids.webhook}`),
    inside('stream', `${ACME}/streams/${ids.stream}`),
    inside('api-keys', '/api-keys'),
    inside('api-keys-of-tenant', `${ACME}/api-keys`),
    inside('api-key', `${ACME}/api-keys/${ids.apiKey}`),
    inside('audit-log', '/audit-log'),
    inside('sessions', '/sessions'),
    inside('not-found', '/nowhere'),
    open('modes', '/docs/modes'),
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
