import type { JsonObject } from '../scim/resource.ts'
import { GROUP_SCHEMA, USER_SCHEMA } from '../scim/urn.ts'
import { askScim, type ScimTarget, taken } from './scim-client.ts'

/** A user to seed: any attribute of a SCIM user may stand beside `userName`. */
export type SeedUser = { readonly userName: string } & JsonObject

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

/**
 * Makes users and groups over SCIM, as an identity provider would. Members of groups are users of the same seed.
 *
 * @throws {Error} for what the gateway refuses, and for a member who is no user of the seed
 */
export async function seedDirectory(target: ScimTarget, { users = [], groups = [] }: Seed): Promise<Seeded> {
  const made: { users: Record<string, string>; groups: Record<string, string> } = { users: {}, groups: {} }
  for (const user of users) {
    const body = { schemas: [USER_SCHEMA, ...extensionsOf(user)], active: true, ...user }
    const answer = await askScim(target, { method: 'POST', path: '/Users', body })
    made.users[user.userName] = String(taken(answer, `the user ${user.userName}`).id)
  }
  for (const { displayName, externalId, members = [] } of groups) {
    const body = {
      ...{ schemas: [GROUP_SCHEMA], displayName, ...(externalId === undefined ? {} : { externalId }) },
      members: members.map((userName) => {
        const value = made.users[userName]
        if (value === undefined) throw new Error(`the group ${displayName} names ${userName}, who is not seeded`)
        return { value }
      }),
    }
    const answer = await askScim(target, { method: 'POST', path: '/Groups', body })
    made.groups[displayName] = String(taken(answer, `the group ${displayName}`).id)
  }
  return made
}

const extensionsOf = (user: JsonObject): string[] => Object.keys(user).filter((name) => /^urn:/i.test(name))
