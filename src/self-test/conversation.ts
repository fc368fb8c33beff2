import type { JsonObject, JsonValue } from '../scim/resource.ts'
import { GROUP_SCHEMA, PATCH_OP, USER_SCHEMA } from '../scim/urn.ts'

/** What an identity provider does in a step. */
export type Deed =
  | ('probe' | 'look-up' | 'create' | 'change' | 'deactivate' | 'read-inactive' | 'delete')
  | ('create-group' | 'add-member' | 'read-members' | 'remove-member' | 'delete-group')

/** One request of a conversation. In path and body, `{{name}}` stands for what an earlier step saved. */
export interface Step {
  readonly does: Deed
  /** What the identity provider does, as in "Creates a user". */
  readonly title: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: JsonObject
  readonly expect: readonly number[]
  /** Keeps the id in the answer under this name. */
  readonly save?: 'user' | 'group'
  /** What the answer has to say. */
  readonly holds?: (answer: JsonObject) => boolean
}

/** What an identity provider says, as its recorded traffic shows it. Users come first, and groups where it sends any. */
export interface Conversation {
  readonly agent: string
  readonly type: 'application/json' | 'application/scim+json'
  readonly steps: readonly Step[]
}

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User'
const DONE = [200, 204]

/** A user as most send it; `more` differs from one identity provider to the next. */
export const userBody = (more: JsonObject = {}): JsonObject => ({
  schemas: [USER_SCHEMA],
  userName: '{{userName}}',
  name: { givenName: '{{givenName}}', familyName: '{{familyName}}' },
  emails: [{ value: '{{userName}}', type: 'work', primary: true }],
  externalId: '{{run}}',
  active: true,
  ...more,
})

/** The same with the enterprise extension named, and perhaps used. */
export const enterpriseBody = (more: JsonObject = {}): JsonObject =>
  userBody({ schemas: [USER_SCHEMA, ENTERPRISE], ...more })
export const employee = (values: JsonObject): JsonObject => ({ [ENTERPRISE]: values })

const patch = (...Operations: JsonObject[]): JsonObject => ({ schemas: [PATCH_OP], Operations })

/** The probe by which a connection is tested. */
export const probes = (path: string): Step => ({
  ...{ does: 'probe', title: 'Tests the connection', method: 'GET', path, expect: [200] },
})

export const looksUp = (filter: string): Step => ({
  does: 'look-up',
  title: 'Looks for the user, who is not there yet',
  method: 'GET',
  path: `/Users?filter=${encodeURIComponent(filter).replaceAll('%7B%7B', '{{').replaceAll('%7D%7D', '}}')}`,
  expect: [200],
  holds: ({ totalResults }) => totalResults === 0,
})

export const creates = (body: JsonObject): Step => ({
  ...{ does: 'create', title: 'Creates the user', method: 'POST', path: '/Users', body, expect: [201], save: 'user' },
})

export const replaces = (body: JsonObject): Step => ({
  ...{ does: 'change', title: 'Changes the user', method: 'PUT', path: '/Users/{{user}}', body, expect: [200] },
})

export const changes = (...operations: JsonObject[]): Step => ({
  ...{
    does: 'change',
    title: 'Changes the user',
    method: 'PATCH',
    path: '/Users/{{user}}',
    body: patch(...operations),
    expect: DONE,
  },
})

/** Deactivates the user, then reads whether the user is inactive. */
export const deactivates = (how: JsonObject | { readonly put: JsonObject }): readonly Step[] => [
  {
    ...('put' in how ? replaces(how.put as JsonObject) : changes(how)),
    ...{ does: 'deactivate', title: 'Deactivates the user' },
  },
  {
    ...{
      does: 'read-inactive',
      title: 'Reads that the user is inactive',
      method: 'GET',
      path: '/Users/{{user}}',
      expect: [200],
    },
    holds: ({ active }) => active === false,
  },
]

export const deletesUser: Step = {
  ...{ does: 'delete', title: 'Deletes the user', method: 'DELETE', path: '/Users/{{user}}', expect: [204] },
}

/** A group with its member: made, filled, read, emptied and deleted. */
export const groups = (
  { schemas = [], ...more }: { readonly schemas?: readonly string[] } & JsonObject,
  add: readonly JsonObject[],
  remove: readonly JsonObject[],
): readonly Step[] => [
  {
    ...{
      does: 'create-group',
      title: 'Creates a group',
      method: 'POST',
      path: '/Groups',
      expect: [201],
      save: 'group',
    },
    body: { schemas: [GROUP_SCHEMA, ...schemas], displayName: '{{groupName}}', ...more },
  },
  onGroup('add-member', 'Adds the user to the group', add),
  {
    ...{
      does: 'read-members',
      title: 'Reads the members of the group',
      method: 'GET',
      path: '/Groups/{{group}}',
      expect: [200],
    },
    holds: ({ members }) => Array.isArray(members) && members.length === 1,
  },
  onGroup('remove-member', 'Removes the user from the group', remove),
  { does: 'delete-group', title: 'Deletes the group', method: 'DELETE', path: '/Groups/{{group}}', expect: [204] },
]

function onGroup(does: Deed, title: string, operations: readonly JsonObject[]): Step {
  return { does, title, method: 'PATCH', path: '/Groups/{{group}}', body: patch(...operations), expect: DONE }
}

/** `template` with each `{{name}}` in its texts filled in. */
export function filled<T extends JsonValue>(template: T, known: ReadonlyMap<string, string>): T {
  const text = JSON.stringify(template).replace(/\{\{(\w+)\}\}/g, (whole, name: string) => known.get(name) ?? whole)
  return JSON.parse(text) as T
}

/** A path with what is known filled in and percent-encoded; undefined where something is not known. */
export function filledPath(template: string, known: ReadonlyMap<string, string>): string | undefined {
  const text = template.replace(/\{\{(\w+)\}\}/g, (whole, name: string) => {
    const value = known.get(name)
    return value === undefined ? whole : encodeURIComponent(value)
  })
  return text.includes('{{') ? undefined : text
}
