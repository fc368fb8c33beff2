import { type Ending, endSessions } from '../../provisioning/sessions/end-sessions.ts'
import { subjectIn } from '../../provisioning/sessions/subject-identifier.ts'
import { ScimError } from '../../scim/errors.ts'
import { readJson } from './body.ts'
import type { ScimContext } from './env.ts'
import { reply } from './respond.ts'

const MAX_BODY_BYTES = 16_384

/**
 * Ends the sessions of the user that the body names (draft-parecki-oauth-global-token-revocation §3). The gateway has no sessions:
 * it tells everybody who reads the tenant's events, by `user.sessions_revoked`.
 *
 * @throws {ScimError} 400 for a body or a format of subject that is not understood; 404 for an unknown user; 422 where several
 * users answer to the subject
 */
export async function revokeSessions({ env: request }: ScimContext): Promise<Response> {
  const { logout, tenant, repositories } = request
  if (logout === undefined) throw new Error('a request to end sessions without a sender')
  const subject = subjectIn(await readJson(request, MAX_BODY_BYTES))
  const ending = await endSessions(repositories, tenant.registry, subject, logout.issuer)
  if (ending !== 'ended') throw refusalOf(ending)
  return reply(request, null, 204)
}

const refusalOf = (ending: Exclude<Ending, 'ended'>): ScimError =>
  ending === 'unknown'
    ? ScimError.notFound('logout-subject-unknown', 'No user of this tenant is the subject.')
    : new ScimError(
        422,
        undefined,
        'logout-subject-ambiguous',
        'Several users of this tenant answer to the subject, so nobody was logged out.',
      )
