import type { Child } from 'hono/jsx'
import { z } from 'zod'
import {
  type MovePosition,
  movesOf,
  previewEnvironmentChange,
  previewTenantChange,
  type RoleMove,
  type RolePreview,
} from '../../../../administration/states/previews.ts'
import type { TenantRow } from '../../../../repositories/control/tenants.ts'
import { effectiveSettings } from '../../../../tenancy/settings.ts'
import { seesPeople } from '../../directory.ts'
import type { ConsoleApp, ConsoleContext } from '../../env.ts'
import { done, fieldsOf } from '../../forms.ts'
import { Badge, Card, counted, Form, Table, Tile } from '../../parts.tsx'
import { changePlace, settingsChange } from './changes.ts'
import { type PlaceHere, placeHere, rowOf, WITH_SETTINGS } from './here.ts'
import { RuleFields, ruleInWords, rulesIn } from './rule-fields.tsx'

const PEOPLE = 50
const TENANTS = 20
const ROLES = 50

const steps = z.object({
  step: z.enum(['preview', 'save']),
  role: z.string().max(300).optional(),
  change: z.enum(['gains', 'loses']).optional(),
  user: z.uuid().optional(),
  tenant: z.uuid().optional(),
})

/** `…/role-rules` of environments and tenants: the rules, and a preview of who gains and loses what before they are saved. */
export function roleRulePages(app: ConsoleApp): void {
  for (const address of WITH_SETTINGS) {
    app.get(`${address}/role-rules`, async (c) => {
      const place = await placeHere(c)
      return c.render(<RulesPage place={place} />, { title: 'Role rules', crumbs: place.crumbs })
    })

    app.post(`${address}/role-rules`, async (c) => {
      const place = await placeHere(c)
      const { step, ...position } = fieldsOf(c.var.form, steps)
      const settings = settingsChange(place.kind, { roleRules: rulesIn(c.var.form) })
      if (step === 'preview') return previewPage(c, place, settings, position)
      await changePlace(c, place, { settings })
      return done(c, `${place.path}/role-rules`, 'rules-saved')
    })
  }
}

function RulesPage({ place }: { place: PlaceHere }) {
  const { path, kind, environment, tag } = place
  const own = rowOf(place).settings.roleRules
  const inherited = kind === 'tenant' ? (environment.settings.roleRules ?? []) : []
  return (
    <>
      <div class="head">
        <h1>Role rules</h1>
        {own === undefined && <Badge>{inherited.length > 0 ? 'of the environment' : 'none'}</Badge>}
        <p class="quiet">
          Which groups give which roles. A pattern may have “*” for any text. Who is in such a group, or in a group
          within it, has the role.
        </p>
      </div>
      {own === undefined && inherited.length > 0 && (
        <Card title="Inherited from the environment">
          <ul class="plain">
            {inherited.map((rule) => (
              <li>{ruleInWords(rule)}</li>
            ))}
          </ul>
          <p class="quiet small">Rules that are saved below take the place of all of these in this tenant.</p>
        </Card>
      )}
      <Card title={own === undefined ? `Rules of the ${kind}’s own` : 'Rules'}>
        <Form action={`${path}/role-rules`} class="wide" tag={tag}>
          <RuleFields rules={own ?? []} />
          <p class="quiet small">Nothing changes before you have seen who gains and loses what.</p>
          <button type="submit" name="step" value="preview" class="main">
            Preview
          </button>
        </Form>
      </Card>
      {own !== undefined && (
        <Card title={kind === 'tenant' ? 'Back to those of the environment' : 'No rules'}>
          <Form action={`${path}/role-rules`} tag={tag}>
            <input type="hidden" name="inherit" value="true" />
            <button type="submit" name="step" value="preview">
              {kind === 'tenant' ? 'Preview the rules of the environment' : 'Preview without rules'}
            </button>
          </Form>
        </Card>
      )}
    </>
  )
}

type Position = Omit<z.infer<typeof steps>, 'step'>

async function previewPage(
  c: ConsoleContext,
  place: PlaceHere,
  settings: ReturnType<typeof settingsChange>,
  position: Position,
) {
  const { database, administration } = c.var
  const reader = database.caller.time ?? c.req.raw
  const again = <AsBefore settings={settings} />
  const shown = async () => {
    if (place.kind === 'environment') {
      const page = { limit: TENANTS, after: position.tenant }
      const found = await previewEnvironmentChange(administration, place.environment, { settings }, page, reader)
      return (
        <Tenants found={found} place={place}>
          {again}
        </Tenants>
      )
    }
    const { roles } = await previewTenantChange(administration, place, { settings }, reader)
    const page = { after: positionOf(position), limit: PEOPLE }
    const people = seesPeople(c) ? await movesOf(database, place.tenant.id, roles.roles, page, reader) : undefined
    return (
      <>
        <Counts roles={roles} />
        <People place={place} {...people}>
          {again}
        </People>
      </>
    )
  }
  const rules = settings.roleRules ?? (place.kind === 'tenant' ? inForceWithout(place) : [])
  return c.render(
    <>
      <h1>Who gains and loses what</h1>
      <Card title="The rules">
        {rules.length === 0 && <p class="quiet">None: no group gives a role.</p>}
        <ul class="plain">
          {rules.map((rule) => (
            <li>{ruleInWords(rule)}</li>
          ))}
        </ul>
      </Card>
      {await shown()}
      <Card title="Save them?">
        <Form action={`${place.path}/role-rules`} tag={place.tag} class="actions">
          {again}
          <button type="submit" name="step" value="save" class="main">
            Save the rules
          </button>
          <a class="button" href={`${place.path}/role-rules`}>
            Leave them as they are
          </a>
        </Form>
      </Card>
    </>,
    { title: 'Preview', crumbs: place.crumbs },
  )
}

const inForceWithout = ({ environment }: PlaceHere) => effectiveSettings(environment.settings).roleRules

/** The rules once more, for the next form of the same preview. */
function AsBefore({ settings }: { settings: ReturnType<typeof settingsChange> }) {
  if (settings.roleRules === null) return <input type="hidden" name="inherit" value="true" />
  return <input type="hidden" name="rules" value={JSON.stringify(settings.roleRules)} />
}

const positionOf = ({ role, change, user }: Position): MovePosition | undefined =>
  role === undefined || change === undefined || user === undefined ? undefined : { role, change, userId: user }

function Counts({ roles: { counts, tooMuch } }: { roles: RolePreview }) {
  if (counts === undefined) return <p class="warning">{tooMuch}</p>
  const sum = (of: 'gains' | 'loses') => counts.reduce((all, one) => all + one[of], 0)
  return (
    <>
      <div class="tiles">
        <Tile number={sum('gains')} label="times a user gains a role" tone={sum('gains') > 0 ? 'good' : 'plain'} />
        <Tile number={sum('loses')} label="times a user loses a role" tone={sum('loses') > 0 ? 'bad' : 'plain'} />
      </div>
      {counts.length > 0 && (
        <Card title="By role">
          <Table head={['Role', 'Gain it', 'Lose it']} label="By role">
            {counts.slice(0, ROLES).map(({ role, gains, loses }) => (
              <tr>
                <td class="long">{role}</td>
                <td class="num">{gains.toLocaleString('en')}</td>
                <td class="num">{loses.toLocaleString('en')}</td>
              </tr>
            ))}
          </Table>
          {counts.length > ROLES && (
            <p class="quiet small">
              The first {ROLES} of {counts.length.toLocaleString('en')} roles.
            </p>
          )}
        </Card>
      )}
    </>
  )
}

function People(props: {
  place: PlaceHere
  moves?: readonly RoleMove[]
  next?: MovePosition | undefined
  children?: Child
}) {
  const { place, moves, next, children } = props
  if (moves === undefined)
    return (
      <p class="quiet">
        Who it is by name is for keys with the permission <code>directory:read</code>.
      </p>
    )
  if (moves.length === 0 && next === undefined) return null
  return (
    <Card title="By name">
      <Table head={['Person', 'What happens', 'Role']} label="Who gains and loses roles">
        {moves.map(({ userId, name, role, change }) => (
          <tr>
            <td class="long">
              <a href={`${place.path}/users/${userId}`}>{name ?? userId}</a>
            </td>
            <td>{change === 'gains' ? <Badge tone="good">gains it</Badge> : <Badge tone="bad">loses it</Badge>}</td>
            <td class="long">{role}</td>
          </tr>
        ))}
      </Table>
      {next && (
        <Form action={`${place.path}/role-rules`} tag={place.tag} class="pager">
          {children}
          <input type="hidden" name="role" value={next.role} />
          <input type="hidden" name="change" value={next.change} />
          <input type="hidden" name="user" value={next.userId} />
          <button type="submit" name="step" value="preview">
            More people
          </button>
        </Form>
      )}
    </Card>
  )
}

function Tenants(props: {
  found: { tenants: readonly { tenant: TenantRow; roles: RolePreview }[]; next: string | undefined }
  place: PlaceHere
  children?: Child
}) {
  const { found, place, children } = props
  const sum = ({ counts, tooMuch }: RolePreview, of: 'gains' | 'loses') =>
    counts === undefined ? (tooMuch ?? '') : counts.reduce((all, one) => all + one[of], 0).toLocaleString('en')
  return (
    <Card title="In which tenants">
      {found.tenants.length === 0 ? (
        <p class="quiet">
          {found.next === undefined
            ? 'Nobody gains or loses a role.'
            : 'Nobody among those that were looked at so far.'}
        </p>
      ) : (
        <Table head={['Tenant', 'Times a role is gained', 'Times one is lost']} label="In which tenants">
          {found.tenants.map(({ tenant, roles }) => (
            <tr>
              <td class="long">
                <a href={`${place.path}/tenants/${tenant.key}`}>{tenant.name}</a>
              </td>
              <td class="num">{sum(roles, 'gains')}</td>
              <td class="num">{sum(roles, 'loses')}</td>
            </tr>
          ))}
        </Table>
      )}
      <p class="quiet small">
        {counted(found.tenants.length, 'tenant')} on this page. Tenants with rules of their own do not change.
      </p>
      {found.next && (
        <Form action={`${place.path}/role-rules`} tag={place.tag} class="pager">
          {children}
          <input type="hidden" name="tenant" value={found.next} />
          <button type="submit" name="step" value="preview">
            More tenants
          </button>
        </Form>
      )}
    </Card>
  )
}
