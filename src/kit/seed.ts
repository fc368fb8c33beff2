import type { JsonObject } from '../scim/resource.ts'
import { GROUP_SCHEMA, USER_SCHEMA } from '../scim/urn.ts'
import type { Seed, Seeded, SeedUser } from '../testing/types.ts'
import { askScim, type ScimTarget, taken } from './scim-client.ts'

/**
 * Makes users and groups over SCIM, as an identity provider would. Members of groups are users of the same seed.
 *
 * @throws {Error} for what the gateway refuses, and for a member who is no user of the seed
 */
export async function seedDirectory(target: ScimTarget, { users = [], groups = [] }: Seed): Promise<Seeded> {
  const made: { users: Record<string, string>; groups: Record<string, string> } = { users: {}, groups: {} }
  for (const user of users) {
    const body = { schemas: [USER_SCHEMA, ...extensionsOf(user)], active: true, ...user } as JsonObject
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

const extensionsOf = (user: SeedUser): string[] => Object.keys(user).filter((name) => /^urn:/i.test(name))
