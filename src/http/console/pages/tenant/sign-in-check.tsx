import { z } from 'zod'
import { checkSignIn, type SignIn } from '../../../../provisioning/sign-in.ts'
import type { AdminDependencies } from '../../../control/env.ts'
import { plainText } from '../../../control/schemas.ts'
import { directoryHere, TENANT } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { queryOf } from '../../forms.ts'
import { hereOf } from '../../here.ts'
import { Badge, Card } from '../../parts.tsx'
import { PeopleTabs } from '../people.tsx'

const query = z.object({ identity: plainText.optional() })

/** Why the directory answers as it does, in words. */
const REASONS: Readonly<Record<NonNullable<SignIn['reason']>, string>> = {
  not_provisioned: 'The directory does not know anybody with this identity.',
  deactivated: 'This person is deactivated, or has been deleted.',
  ambiguous: 'More than one user has this identity.',
  sync_disabled: 'Users are not synchronised here any more: the setting userSync is off.',
}

/** `…/sign-in-check` of a tenant: whether somebody would be let in now, as the application is answered. */
export function signInCheckPage(app: ConsoleApp, dependencies: Pick<AdminDependencies, 'control' | 'config'>): void {
  app.get(`${TENANT}/sign-in-check`, async (c) => {
    const { tenant, repositories } = await directoryHere(c, dependencies)
    const { path, crumbs } = await hereOf(c)
    const { identity } = queryOf(c, query)
    const { registry, settings } = tenant
    const found = identity === undefined ? undefined : await checkSignIn(repositories, registry, settings, identity)
    const roles = found?.user === undefined ? [] : await repositories.roles.ofUser(found.user.id)
    return c.render(
      <>
        <h1>Sign-in check</h1>
        <Card title="Would this person be let in?">
          <PeopleTabs path={path} current="sign-in-check" />
          <search>
            <form class="find" action={`${path}/sign-in-check`}>
              <label>
                <span>
                  Identity, which is the <code>{settings.signInAttribute}</code>
                </span>
                <input type="search" name="identity" value={identity} required maxlength={1000} spellcheck={false} />
              </label>
              <button type="submit">Check</button>
            </form>
          </search>
          {found && <Answer {...found} roles={roles.map(({ key }) => key)} path={path} />}
        </Card>
      </>,
      { title: 'Sign-in check', crumbs },
    )
  })
}

function Answer({ allowed, reason, user, roles, path }: SignIn & { roles: readonly string[]; path: string }) {
  return (
    <dl class="facts">
      <dt>Answer</dt>
      <dd>
        <Badge tone={allowed ? 'good' : 'bad'}>{allowed ? 'let in' : 'not let in'}</Badge>{' '}
        {reason === null ? 'The directory has this person as active.' : REASONS[reason]}
      </dd>
      {user && (
        <>
          <dt>User</dt>
          <dd>
            <a href={`${path}/users/${user.id}`}>
              <code>{user.id}</code>
            </a>
          </dd>
          <dt>Roles</dt>
          <dd>{roles.length === 0 ? 'none' : roles.join(', ')}</dd>
        </>
      )}
    </dl>
  )
}
