import { HTTPException } from 'hono/http-exception'
import type { OriginPolicy } from '../../../tenancy/base-url.ts'
import { IDENTITY_PROVIDERS, type IdentityProvider, isIdentityProvider } from '../../../tenancy/identity-providers.ts'
import { Card } from '../../console/parts.tsx'
import { standingOf, valuesOf } from '../connection.ts'
import { linkOf, type PortalApp, type PortalContext } from '../env.ts'
import { guideFor, VALUE_NAMES, type ValueName, type Values } from '../guides.ts'
import { pathOfLink } from '../layout.tsx'
import { Copyable, Guide } from '../markdown.tsx'
import { Choices } from './overview.tsx'
import { MakeToken } from './token-parts.tsx'

/** `/setup/{link}/steps`: the guide of the chosen identity provider, with this tenant's values; and every other guide. */
export function stepPages(app: PortalApp, config: OriginPolicy): void {
  app.get('/:link/steps', async (c) => {
    const { link } = linkOf(c)
    if (link.identityProvider !== null) return renderSteps(c, config, link.identityProvider)
    return c.render(
      <>
        <h1>Steps</h1>
        <Card title="Which identity provider do you have?">
          <Choices path={pathOfLink(link.id)} chosen={null} />
        </Card>
      </>,
      { title: 'Steps' },
    )
  })

  app.get('/:link/guides/:provider', async (c) => {
    const provider = c.req.param('provider')
    if (!isIdentityProvider(provider)) throw new HTTPException(404, { message: 'There is no such guide.' })
    return renderSteps(c, config, provider)
  })
}

/** @param token that was made just now, the one time that it is shown */
export async function renderSteps(
  c: PortalContext,
  config: OriginPolicy,
  provider: IdentityProvider,
  token?: string,
): Promise<Response> {
  const { link } = linkOf(c)
  const path = pathOfLink(link.id)
  const { keys } = await standingOf(c)
  const values = valuesOf(c, config, keys[0], token)
  const tokens = await guideFor(provider)
  return c.render(
    <>
      <h1>{IDENTITY_PROVIDERS[provider]}</h1>
      {token !== undefined && (
        <p class="warning" role="status">
          Your token stands in its places below. It is shown this once and kept nowhere: enter it now.
        </p>
      )}
      <div class="steps">
        <div class="card">
          <Guide tokens={tokens} values={values} guide={(name) => `${path}/guides/${name}`} />
        </div>
        <div class="beside">
          <Card title="Your values">
            <ValueList values={values} />
          </Card>
          {token === undefined && (
            <Card title="Token">
              <MakeToken path={path} keys={keys} provider={IDENTITY_PROVIDERS[provider]} />
            </Card>
          )}
          <Card title="Another identity provider">
            <details>
              <summary>Choose another one</summary>
              <Choices path={path} chosen={link.identityProvider} />
            </details>
          </Card>
        </div>
      </div>
    </>,
    { title: IDENTITY_PROVIDERS[provider] },
  )
}

function ValueList({ values }: { values: Values }) {
  return (
    <dl class="values">
      {VALUE_NAMES.map((name) => {
        const value = values[name]
        const missing = MISSING[name]
        if (value === undefined && missing === undefined) return null
        const capital = name.charAt(0).toUpperCase() + name.slice(1)
        return (
          <div>
            <dt>{capital}</dt>
            <dd>
              {value === undefined ? <span class="quiet">{missing}</span> : <Copyable text={value} what={name} />}
            </dd>
          </div>
        )
      })}
    </dl>
  )
}

/** What is said in the place of a value; a value without words is left out. */
const MISSING: Readonly<Partial<Record<ValueName, string>>> = {
  'base URL': '',
  token: 'It was shown when it was made. Make or rotate one to see it.',
  'client id': 'It comes with the token.',
  'client secret': 'The same as the token.',
  'token URL': 'OAuth is not offered at this address.',
}
