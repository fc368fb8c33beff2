import { z } from 'zod'
import type { EventChanges } from '../../receiver/events.ts'
import { SAME_BY } from '../../tenancy/adoption.ts'
import type { EventType } from '../types.ts'

/** What the catalogue says of a type of event. */
export interface CatalogueEntry<Changes> {
  /** When it comes, in a sentence. */
  readonly when: string
  /** What the event is about, as `resource.type` says it. */
  readonly about: 'User' | 'Group' | 'Agent' | 'Role' | 'Account' | 'Tenant' | 'Brake'
  /** What `changes` hold. */
  readonly changes: z.ZodType<Changes>
  readonly example: Changes
}

type Catalogue = { readonly [T in EventType]: CatalogueEntry<EventChanges[T]> }

const count = z.number().int().min(0)
const moment = z.iso.datetime()
const ids = z.array(z.uuid()).min(1).max(1_000)
/** Where references are checked late, an id may be of nobody yet, and is as the identity provider has sent it. */
const members = z.array(z.string().min(1)).min(1).max(1_000)
const attributes = z.looseObject({})
const text = z.string().optional()
const name = z.looseObject({ givenName: text, familyName: text })
const email = z.looseObject({ value: text, type: text, primary: z.boolean().optional() })
const user = z.looseObject({
  ...{ userName: z.string(), externalId: text, displayName: text, active: z.boolean().optional() },
  ...{ name: name.optional(), emails: z.array(email).optional() },
})
const agent = z.looseObject({
  ...{ agentUserName: z.string(), externalId: text, displayName: text, description: text },
  active: z.boolean().optional(),
})
const group = z.looseObject({ displayName: z.string(), externalId: text })
const roleMove = z.strictObject({
  ...{ role: z.string(), users: ids },
  attribute: z.enum(['roles', 'entitlements']).optional(),
})
const changed = z
  .array(z.strictObject({ path: z.string(), before: z.unknown().optional(), after: z.unknown().optional() }))
  .min(1)
const account = { account: z.string(), user: z.uuid() }
const key = z.strictObject({ id: z.string(), name: z.string() })
const leavers = {
  ...{ leavers: count, users: count, windowMinutes: count },
  limit: z.strictObject({ count: z.number().optional(), percent: z.number().optional() }),
}
const connection = { provider: z.string().nullable(), client: z.string().nullable(), since: moment.nullable() }

const [ADA, BOB] = ['01a22283-c806-7382-bdbd-12f707b6845b', '01a22283-d1f4-7a52-9c1e-5b0e6f1d2c3a']
const THEN = '2026-11-28T14:16:31.538Z'
const ada = {
  ...{ userName: 'ada@acme.example', externalId: '00u1', displayName: 'Ada Lovelace', active: true },
  name: { givenName: 'Ada', familyName: 'Lovelace' },
  emails: [{ value: 'ada@acme.example', type: 'work', primary: true }],
}
const invoices = { agentUserName: 'invoices@acme.example', displayName: 'Invoices', active: true }
const sales = { displayName: 'Sales', externalId: '00g1' }
const oktaKey = { id: 'IgMaIfcgr9ms', name: 'Okta of Acme' }
const okta = { provider: 'okta', client: 'okta', since: THEN }
const ENTRA = {
  ...{ id: BOB, issuer: 'https://login.microsoftonline.com/3f5c/v2.0', subject: '7d1e', audiences: ['api://rollcall'] },
  ...{ jwksUri: 'https://login.microsoftonline.com/3f5c/discovery/v2.0/keys', algorithms: ['RS256'] },
}
const ofKey = (
  when: string,
  path: string,
  before: unknown,
  after: unknown,
): CatalogueEntry<EventChanges['api_key.changed']> => ({
  ...{ when, about: 'Tenant', changes: z.strictObject({ key, changed }) },
  example: { key: oktaKey, changed: [{ path, before, after }] },
})
const ofPause = (when: string, before: boolean): CatalogueEntry<EventChanges['tenant.paused']> => ({
  ...{ when, about: 'Tenant', changes: z.strictObject({ changed }) },
  example: { changed: [{ path: 'paused', before, after: !before }] },
})

/** Every type of event, with what `changes` hold and an example. A new type fails to compile until it stands here. */
export const ENTRIES: Catalogue = {
  'user.created': {
    when: 'A user was created, or a deleted user who was kept came back.',
    ...{
      about: 'User',
      changes: z.strictObject({ after: user, account: text, candidates: z.array(z.string()).min(1).optional() }),
    },
    example: { after: ada },
  },
  'user.updated': {
    when: 'Attributes of a user changed, other than whether the user is active.',
    ...{ about: 'User', changes: z.strictObject({ changed }) },
    example: { changed: [{ path: 'title', before: 'Engineer', after: 'Head of Engineering' }, { path: 'password' }] },
  },
  'user.activated': {
    when: 'A user who was not active is active again.',
    ...{ about: 'User', changes: z.strictObject({ changed }) },
    example: { changed: [{ path: 'active', before: false, after: true }] },
  },
  'user.deactivated': {
    when: 'A user is no longer active: end the sessions, and let nobody in. A deleted user who is kept has `keptUntil`.',
    ...{ about: 'User', changes: z.strictObject({ changed, keptUntil: moment.optional() }) },
    example: { changed: [{ path: 'active', before: true, after: false }] },
  },
  'user.deleted': {
    when: 'A user is gone for good. One who was kept until now has `keptUntil` in the place of the attributes.',
    ...{
      about: 'User',
      changes: z.strictObject({ before: user.optional(), keptUntil: moment.optional(), account: text }),
    },
    example: { before: { ...ada, active: false } },
  },
  'user.sessions_revoked': {
    when: 'An identity provider asked to end all sessions of a user, who stays active: end them now.',
    ...{
      about: 'User',
      changes: z.strictObject({
        issuer: z.strictObject({ name: z.string(), url: z.string() }),
        subjectFormat: z.string(),
      }),
    },
    example: { issuer: { name: 'okta', url: 'https://acme.okta.com' }, subjectFormat: 'email' },
  },
  'group.created': {
    when: 'A group was created. Its members follow as `group.member_added`.',
    ...{ about: 'Group', changes: z.strictObject({ after: group }), example: { after: sales } },
  },
  'group.updated': {
    when: 'Attributes of a group changed, such as its name.',
    ...{ about: 'Group', changes: z.strictObject({ changed }) },
    example: { changed: [{ path: 'displayName', before: 'Sales', after: 'Sales Europe' }] },
  },
  'group.deleted': {
    when: 'A group is gone, with all of its memberships.',
    ...{ about: 'Group', changes: z.strictObject({ before: group, memberCount: count }) },
    example: { before: sales, memberCount: 12 },
  },
  'group.member_added': {
    when: 'Users or groups became members. With `deferReferenceChecks` an id may belong to nobody yet.',
    ...{ about: 'Group', changes: z.strictObject({ members }), example: { members: [ADA, BOB] } },
  },
  'group.member_removed': {
    when: 'Members left a group.',
    ...{ about: 'Group', changes: z.strictObject({ members }), example: { members: [BOB] } },
  },
  'agent.created': {
    when: 'An AI agent was created. Agents are there where the setting `agents` is on.',
    ...{ about: 'Agent', changes: z.strictObject({ after: agent }), example: { after: invoices } },
  },
  'agent.updated': {
    when: 'Attributes of an agent changed, other than whether the agent is active.',
    ...{ about: 'Agent', changes: z.strictObject({ changed }) },
    example: { changed: [{ path: 'displayName', before: 'Invoices', after: 'Invoices and dunning' }] },
  },
  'agent.activated': {
    when: 'An agent that was not active is active again.',
    ...{ about: 'Agent', changes: z.strictObject({ changed }) },
    example: { changed: [{ path: 'active', before: false, after: true }] },
  },
  'agent.deactivated': {
    when: 'An agent is no longer active: take away its access.',
    ...{ about: 'Agent', changes: z.strictObject({ changed }) },
    example: { changed: [{ path: 'active', before: true, after: false }] },
  },
  'agent.deleted': {
    when: 'An agent is gone for good.',
    ...{
      about: 'Agent',
      changes: z.strictObject({ before: agent }),
      example: { before: { ...invoices, active: false } },
    },
  },
  'role.assigned': {
    when: 'Users got a role, by a group or by a value that the identity provider wrote.',
    ...{ about: 'Role', changes: roleMove },
    example: { role: 'seller', users: [ADA] },
  },
  'role.unassigned': {
    when: 'Users lost a role that nothing else gives them.',
    ...{ about: 'Role', changes: roleMove },
    example: { role: 'seller', users: [ADA] },
  },
  'account.linked': {
    when: 'A user was found to be the same person as an account that the application has posted.',
    ...{ about: 'Account', changes: z.strictObject({ ...account, by: z.enum([...SAME_BY, 'review']) }) },
    example: { account: 'acc_1842', user: ADA, by: 'email' },
  },
  'account.unlinked': {
    when: 'Somebody decided that a user and an account are not the same person.',
    ...{ about: 'Account', changes: z.strictObject(account), example: { account: 'acc_1842', user: ADA } },
  },
  'account.merged': {
    when: "Somebody decided that two accounts are the same person's: the application takes them together.",
    ...{ about: 'Account', changes: z.strictObject({ account: z.string(), into: z.string() }) },
    example: { account: 'acc_1907', into: 'acc_1842' },
  },
  'tenant.created': {
    when: 'The tenant was created. Its log begins.',
    ...{ about: 'Tenant', changes: z.strictObject({ after: attributes }) },
    example: { after: { key: 'acme', name: 'Acme', paused: false, settings: {} } },
  },
  'tenant.updated': {
    when: 'The name or settings of the tenant changed, or the tenant moved.',
    ...{ about: 'Tenant', changes: z.strictObject({ changed }) },
    example: { changed: [{ path: 'settings.mode', after: 'strict' }] },
  },
  'tenant.paused': ofPause('The tenant refuses all provisioning from now on.', false),
  'tenant.resumed': ofPause('The tenant takes provisioning again.', true),
  'tenant.seats_exhausted': {
    when: 'An active user was refused, since all seats are taken. It comes once, until a user has got a seat again.',
    ...{ about: 'Tenant', changes: z.strictObject({ maxActiveUsers: count }), example: { maxActiveUsers: 500 } },
  },
  'mapping.changed': {
    when: 'The mapping in force for the tenant is another one. Read the users anew: `mapped` of each may be another.',
    ...{ about: 'Tenant', changes: z.strictObject({}), example: {} },
  },
  'connection.silent': {
    when: 'An identity provider has not been heard of for much longer than usual.',
    about: 'Tenant',
    changes: z.strictObject({ ...connection, typicalPauseSeconds: z.number(), longestPauseSeconds: z.number() }),
    example: { ...okta, typicalPauseSeconds: 2_400, longestPauseSeconds: 14_400 },
  },
  'connection.failing': {
    when: 'Every request of an identity provider has been refused for 15 minutes.',
    ...{ about: 'Tenant', changes: z.strictObject({ ...connection, failures: count, lastStatus: count.nullable() }) },
    example: { ...okta, failures: 40, lastStatus: 401 },
  },
  'connection.recovered': {
    when: 'A request of an identity provider got through again.',
    ...{ about: 'Tenant', changes: z.strictObject({ ...connection, was: z.string(), wasSince: moment.nullable() }) },
    example: { ...okta, was: 'failing', wasSince: '2026-11-28T13:50:02.114Z' },
  },
  'api_key.created': {
    when: 'An API key for the tenant was created. The key itself is nowhere in it.',
    ...{ about: 'Tenant', changes: z.strictObject({ key, after: attributes }) },
    example: { key: oktaKey, after: { name: oktaKey.name, permissions: ['scim:read', 'scim:write'] } },
  },
  'api_key.changed': ofKey('What an API key may do was changed.', 'tokensMayMintAdminKeys', false, true),
  'api_key.rotated': ofKey(
    'An API key got a new secret. The old one may be good for some time yet.',
    'secretVersion',
    1,
    2,
  ),
  'api_key.rotation_ended': ofKey(
    'The old secret of an API key is good no longer.',
    'oldSecret',
    { version: 1, ends: THEN },
    null,
  ),
  'api_key.rotation_undone': ofKey('The new secret of an API key was taken back.', 'secretVersion', 2, 1),
  'api_key.public_key_added': ofKey(
    'An API key got a public key.',
    'publicKeys',
    [],
    ['NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'],
  ),
  'api_key.public_key_removed': ofKey(
    'A public key of an API key is good no longer.',
    'publicKeys',
    ['NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'],
    [],
  ),
  'api_key.trust_added': ofKey(
    'An API key trusts an issuer: its workload gets tokens without a secret.',
    'trusts',
    [],
    [ENTRA],
  ),
  'api_key.trust_removed': ofKey('An API key trusts an issuer no longer.', 'trusts', [ENTRA], []),
  'api_key.revoked': ofKey('An API key was ended for good.', 'revokedAt', null, THEN),
  'brake.warned': {
    when: 'More people leave than the leaver brake expects. In the mode `warn` nothing is held.',
    ...{ about: 'Brake', changes: z.strictObject(leavers) },
    example: { leavers: 40, users: 120, limit: { count: 25 }, windowMinutes: 60 },
  },
  'brake.engaged': {
    when: 'The leaver brake holds the events of those who leave, until they are released or the time is over.',
    ...{ about: 'Brake', changes: z.strictObject({ ...leavers, heldUntil: moment }) },
    example: {
      leavers: 40,
      users: 120,
      limit: { count: 25 },
      windowMinutes: 60,
      heldUntil: '2026-11-29T14:16:31.538Z',
    },
  },
  'brake.released': {
    when: 'The events that were held come now.',
    about: 'Brake',
    changes: z.strictObject({ reason: z.enum(['approved', 'time_limit', 'switched_off']), events: count, note: text }),
    example: { reason: 'approved', events: 40, note: 'The team in Oslo was closed.' },
  },
}
