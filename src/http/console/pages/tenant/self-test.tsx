import { isIP } from 'node:net'
import { z } from 'zod'
import { playedFor } from '../../../../self-test/conversations/index.ts'
import { selfTest } from '../../../../self-test/self-test.ts'
import { IDENTITY_PROVIDER_NAMES, IDENTITY_PROVIDERS } from '../../../../tenancy/identity-providers.ts'
import { selfTestRoute } from '../../../admin/self-tests.ts'
import type { AdminDependencies } from '../../../control/env.ts'
import { plainText } from '../../../control/schemas.ts'
import { TENANT, tenantHere } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { fieldsOf } from '../../forms.ts'
import { hereOf } from '../../here.ts'
import { Card, Form } from '../../parts.tsx'
import { SelfTestSteps } from '../../self-test-result.tsx'

const input = z.object({
  provider: z.enum(IDENTITY_PROVIDER_NAMES),
  key: plainText.optional(),
  address: z
    .string()
    .refine((text) => isIP(text) !== 0 && !text.includes('%'), 'must be an IP address')
    .optional(),
})
type Input = z.infer<typeof input>

/** `…/self-test` of a tenant: the gateway plays the conversation of an identity provider, and says what came of it. */
export function selfTestPage(
  app: ConsoleApp,
  { database, config }: Pick<AdminDependencies, 'database' | 'config'>,
): void {
  app.post(`${TENANT}/self-test`, async (c) => {
    const place = await tenantHere(c)
    const { path, crumbs } = await hereOf(c)
    const { provider, key, address } = fieldsOf(c.var.form, input)
    const asked = { identityProvider: playedFor(provider), key, address }
    // Its statements are not those of this request, whose time ends sooner.
    const administration = { ...c.var.administration, database }
    const result = await selfTest(administration, place, asked, selfTestRoute(c, config, place))
    return c.render(
      <>
        <h1>Self-test: {IDENTITY_PROVIDERS[provider]}</h1>
        <SelfTestSteps result={result} />
        <SelfTestCard path={path} provider={provider} />
      </>,
      { title: 'Self-test', crumbs: [...crumbs, { name: 'Connection', path: `${path}/connection` }] },
    )
  })
}

/** The form that begins a self-test. @param path of the tenant */
export function SelfTestCard({ path, provider }: { path: string; provider?: Input['provider'] }) {
  return (
    <Card title="Test the connection">
      <p class="quiet small">
        The gateway sends what the identity provider would. What writes goes to a scratch copy of the tenant, which is
        removed afterwards. It takes up to half a minute.
      </p>
      <Form action={`${path}/self-test`} class="fields">
        <label>
          Identity provider
          <select name="provider">
            {IDENTITY_PROVIDER_NAMES.map((name) => (
              <option value={name} selected={name === provider}>
                {IDENTITY_PROVIDERS[name]}
              </option>
            ))}
          </select>
        </label>
        <label>
          Its API key
          <input name="key" type="password" autocomplete="off" maxlength={200} />
          <small>Tried at the tenant itself, reading only. Left empty, its own way there is not tested.</small>
        </label>
        <label>
          Its IP address
          <input name="address" maxlength={45} placeholder="192.0.2.17" autocomplete="off" />
          <small>Compared with allowedAddresses, where the tenant has any.</small>
        </label>
        <button type="submit" class="main">
          Test
        </button>
      </Form>
    </Card>
  )
}
