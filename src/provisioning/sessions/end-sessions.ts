import type { JsonText } from '../../repositories/resources/rows.ts'
import type { Repositories } from '../../repositories/tenant-scope.ts'
import { isObject, type JsonObject } from '../../scim/resource.ts'
import type { SchemaRegistry } from '../../scim/schema/resource-type.ts'
import type { LogoutIssuer } from '../../tenancy/trusted-issuers.ts'
import { builtIn, type Equalities, lookUp } from '../look-up.ts'
import type { SubjectIdentifier } from './subject-identifier.ts'

/** What became of a request to end somebody's sessions. `ambiguous`: several users answer to the subject. */
export type Ending = 'ended' | 'unknown' | 'ambiguous'

/**
 * Ends all sessions of the one user whom `subject` names, for an issuer of the tenant: appends `user.sessions_revoked` to the log.
 * Nobody's sessions end where there is more than one such user. Whether the user is active does not matter.
 */
export async function endSessions(
  repositories: Repositories,
  registry: SchemaRegistry,
  subject: SubjectIdentifier,
  issuer: LogoutIssuer,
): Promise<Ending> {
  const [id, another] = await usersNamed(repositories, registry, subject, issuer)
  if (id === undefined) return 'unknown'
  if (another !== undefined) return 'ambiguous'
  const changes = { issuer: { name: issuer.name, url: issuer.issuer }, subjectFormat: subject.format }
  // The user may have been deleted since.
  return (await repositories.sessions.revoke(id, changes)) ? 'ended' : 'unknown'
}

/**
 * Ids of the users who answer to a subject; of many, some of them. An e-mail address is one of `emails`, or the `userName` of a user
 * who has no `emails`; letter case counts as in SCIM. Any other subject is our id or an `externalId`.
 */
async function usersNamed(
  repositories: Repositories,
  registry: SchemaRegistry,
  subject: SubjectIdentifier,
  { issuer, subjectIssuer = issuer }: LogoutIssuer,
): Promise<readonly string[]> {
  const type = builtIn(registry, 'User')
  const having = (equal: Equalities) => lookUp(repositories, registry, type, { equal, limit: 2, wanted: NOTHING_MORE })
  const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id)
  if (subject.format === 'email') {
    const byName = (await having({ userName: subject.email })).filter(({ document }) => !hasEmails(document))
    return distinct([...idsOf(await having({ email: subject.email })), ...idsOf(byName)])
  }
  if (subject.format === 'iss_sub' && subject.iss !== subjectIssuer) return []
  const name = subject.format === 'iss_sub' ? subject.sub : subject.id
  const byId = await repositories.resources.retrieve(type, name, NOTHING_MORE)
  return distinct([...(byId === undefined ? [] : [byId.id]), ...idsOf(await having({ externalId: name }))])
}

const NOTHING_MORE = { groups: false, members: false }

const distinct = (ids: readonly string[]): readonly string[] => [...new Set(ids)]

/** Whether a user has an e-mail address, by the stored document. */
function hasEmails(document: JsonText): boolean {
  const { emails } = JSON.parse(document.toString()) as JsonObject
  return Array.isArray(emails) && emails.some((email) => isObject(email) && typeof email.value === 'string')
}
