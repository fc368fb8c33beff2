import { z } from 'zod'
import { chooseIdentityProvider } from '../../../administration/keys/setup-links.ts'
import {
  IDENTITY_PROVIDER_NAMES,
  IDENTITY_PROVIDERS,
  type IdentityProvider,
} from '../../../tenancy/identity-providers.ts'
import { fieldsOf } from '../../console/forms.ts'
import { Card, Form, Tile } from '../../console/parts.tsx'
import { standingOf, type Task, tasksOf } from '../connection.ts'
import { linkOf, type PortalApp } from '../env.ts'
import { doneHere, pathOfLink } from '../layout.tsx'

const choice = z.object({ provider: z.enum(IDENTITY_PROVIDER_NAMES) })

/** `/setup/{link}`: what is still missing, what has arrived, and which identity provider it is. */
export function overviewPage(app: PortalApp): void {
  app.get('/:link', async (c) => {
    const { link, place } = linkOf(c)
    const standing = await standingOf(c)
    const tasks = tasksOf(standing, link.identityProvider, new Date())
    const path = pathOfLink(link.id)
    return c.render(
      <>
        <h1>Connect {place.tenant.name}</h1>
        <div class="tiles">
          <Tile number={standing.users} label={standing.users === 1 ? 'user has arrived' : 'users have arrived'} />
          <Tile number={standing.groups} label={standing.groups === 1 ? 'group has arrived' : 'groups have arrived'} />
        </div>
        <div class="two">
          <Card title="What is missing">
            <Tasks tasks={tasks} path={path} />
          </Card>
          <Card title="Your identity provider">
            <Choices path={path} chosen={link.identityProvider} />
          </Card>
        </div>
      </>,
      { title: 'Overview' },
    )
  })

  app.post('/:link/provider', async (c) => {
    const { link } = linkOf(c)
    const { provider } = fieldsOf(c.var.form, choice)
    await chooseIdentityProvider(c.var.administration, link, provider)
    return doneHere(c, `${pathOfLink(link.id)}/steps`, 'chosen')
  })
}

const MARKS = {
  done: { mark: '✓', says: 'Done' },
  open: { mark: '○', says: 'To do' },
  wrong: { mark: '!', says: 'In the way' },
} as const

function Tasks({ tasks, path }: { tasks: readonly Task[]; path: string }) {
  return (
    <ul class="todo">
      {tasks.map(({ state, what, how, page }) => (
        <li class={state}>
          <span class="mark" role="img" aria-label={MARKS[state].says}>
            {MARKS[state].mark}
          </span>
          <span>{page === undefined ? what : <a href={`${path}/${page}`}>{what}</a>}</span>
          {state !== 'done' && <span class="how">{how}</span>}
        </li>
      ))}
    </ul>
  )
}

/** A button for each identity provider that has a guide. */
export function Choices({ path, chosen }: { path: string; chosen: IdentityProvider | null }) {
  return (
    <Form action={`${path}/provider`} class="choices">
      {IDENTITY_PROVIDER_NAMES.map((name) => (
        <button type="submit" name="provider" value={name} aria-pressed={chosen === name ? 'true' : 'false'}>
          {IDENTITY_PROVIDERS[name]}
        </button>
      ))}
    </Form>
  )
}
