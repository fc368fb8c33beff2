import { z } from 'zod'
import { playedFor } from '../../../self-test/conversations/index.ts'
import { selfTest } from '../../../self-test/self-test.ts'
import { IDENTITY_PROVIDERS } from '../../../tenancy/identity-providers.ts'
import { selfTestRoute } from '../../admin/self-tests.ts'
import { fieldsOf } from '../../console/forms.ts'
import { Card, Form } from '../../console/parts.tsx'
import { SelfTestSteps } from '../../console/self-test-result.tsx'
import { plainText } from '../../control/schemas.ts'
import { linkOf, type PortalApp, type PortalContext, type PortalDependencies } from '../env.ts'
import { pathOfLink } from '../layout.tsx'

const input = z.object({ token: plainText.optional() })

/** `/setup/{link}/self-test`: the service plays the conversation of the chosen identity provider, and says what came of it. */
export function selfTestPages(app: PortalApp, { database, config }: PortalDependencies): void {
  app.get('/:link/self-test', (c) =>
    c.render(
      <>
        <h1>Self-test</h1>
        <Ask c={c} label="Test" />
      </>,
      { title: 'Self-test' },
    ),
  )

  app.post('/:link/self-test', async (c) => {
    const { link, place } = linkOf(c)
    const { token: key } = fieldsOf(c.var.form, input)
    const asked = { identityProvider: playedFor(link.identityProvider ?? 'generic'), key }
    // Its statements are not those of this request, whose time ends sooner.
    const administration = { ...c.var.administration, database }
    const result = await selfTest(administration, place, asked, selfTestRoute(c, config, place))
    return c.render(
      <>
        <h1>Self-test: {providerOf(c)}</h1>
        <SelfTestSteps result={result} />
        <Ask c={c} label="Test again" />
      </>,
      { title: 'Self-test' },
    )
  })
}

const providerOf = (c: PortalContext): string => IDENTITY_PROVIDERS[linkOf(c).link.identityProvider ?? 'generic']

function Ask({ c, label }: { c: PortalContext; label: string }) {
  const path = pathOfLink(linkOf(c).link.id)
  return (
    <Card title="Test the connection">
      <p>
        The service sends what {providerOf(c)} would send, to a scratch copy of your tenant that is removed afterwards.
        Nobody is created or changed in your own. It takes up to half a minute.
      </p>
      <Form action={`${path}/self-test`} class="fields">
        <label>
          Token
          <input name="token" type="password" autocomplete="off" maxlength={200} />
          <small>
            The one that you have entered at {providerOf(c)}, to have it tested too. You may leave it empty.
          </small>
        </label>
        <button type="submit" class="main">
          {label}
        </button>
      </Form>
    </Card>
  )
}
