import { z } from 'zod'
import {
  countDrift,
  DRIFT_BEGINS,
  type DriftPosition,
  driftStep,
  parseDriftPosition,
  positionText,
  repairDrift,
} from '../../../../administration/accounts/drift.ts'
import type { Database } from '../../../../db/database.ts'
import { builtIn } from '../../../../provisioning/look-up.ts'
import { type Difference, DRIFT_KINDS, type DriftKind } from '../../../../repositories/accounts/drift.ts'
import type { TenantContext } from '../../../../tenancy/tenant.ts'
import type { AdminDependencies } from '../../../control/env.ts'
import { directoryHere, TENANT, tenantHere } from '../../directory.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf, queryOf } from '../../forms.ts'
import { hereOf } from '../../here.ts'
import { Action, Card, counted, Pager, Table, Tile } from '../../parts.tsx'
import { AccountTabs } from './tabs.tsx'

/** One form tells of differences for so long; it may be sent again. */
const REPAIRS_FOR_MS = 4_000

const WORDS: Record<DriftKind, readonly [tile: string, title: string, told: string]> = {
  ghost: ['ghosts', 'Active there, gone or deactivated here', 'user.deactivated or user.deleted'],
  missing: ['missing', 'Active here, without an account', 'user.created'],
  state: ['states', 'Active here, not active there', 'user.activated'],
  roles: ['role differences', 'Other roles there than here', 'role.assigned and role.unassigned'],
}

/** `…/account-drift` of a tenant: how the accounts of the application and the directory differ. */
export function driftPage(app: ConsoleApp, dependencies: Pick<AdminDependencies, 'control' | 'config'>): void {
  app.get(`${TENANT}/account-drift`, async (c) => {
    const { tenant, repositories } = await directoryHere(c, dependencies)
    const { path, crumbs } = await hereOf(c)
    const position = z
      .string()
      .refine((text) => parseDriftPosition(text) !== undefined, 'must be the address of a page')
    const { kind = 'ghost', after } = queryOf(
      c,
      z.object({ kind: z.enum(DRIFT_KINDS).optional(), after: position.optional() }),
    )
    const { database } = c.var
    const from = (after === undefined ? undefined : parseDriftPosition(after)) ?? DRIFT_BEGINS
    const [counts, step] = await repositories.inTurn(async () => [
      await countDrift(database, tenant),
      await nextDifferences(database, tenant, from, kind),
    ])
    const here = `${path}/account-drift`
    const [, title, told] = WORDS[kind]
    return c.render(
      <>
        <h1>Drift</h1>
        <AccountTabs path={path} current="account-drift" />
        <div class="tiles">
          {DRIFT_KINDS.map((one) => (
            <Tile
              number={counts[one]}
              label={WORDS[one][0]}
              href={`${here}?kind=${one}`}
              tone={counts[one] > 0 ? 'warn' : 'plain'}
            />
          ))}
        </div>
        <Card title={title}>
          {step.differences.length === 0 ? (
            <p class="quiet">{counts[kind] === 0 ? 'No difference.' : 'No more differences.'}</p>
          ) : (
            <Differences of={step.differences} path={path} />
          )}
          <Pager
            next={step.next && `${here}?kind=${kind}&after=${encodeURIComponent(positionText(step.next))}`}
            first={after && `${here}?kind=${kind}`}
          />
          {counts[kind] > 0 && (
            <Action
              action={`${here}/repair`}
              label="Tell the application again"
              ask={`${counted(counts[kind], 'person', 'people')}: the log gets events of origin repair (${told}), which webhooks send.`}
              tone="main"
              fields={{ kind }}
            />
          )}
        </Card>
      </>,
      { title: 'Drift', crumbs },
    )
  })

  app.post(`${TENANT}/account-drift/repair`, async (c) => {
    const { scope } = await tenantHere(c)
    const { tenant } = await directoryHere(c, dependencies)
    const { path } = await hereOf(c)
    const { kind } = fieldsOf(c.var.form, z.object({ kind: z.enum(DRIFT_KINDS) }))
    const user = builtIn(tenant.registry, 'User')
    const until = performance.now() + REPAIRS_FOR_MS
    for (let from: DriftPosition | undefined = DRIFT_BEGINS; from !== undefined && performance.now() < until; )
      from = (await repairDrift(c.var.administration, scope, tenant, user, from, [kind])).next
    return done(c, `${path}/account-drift`, 'repaired')
  })
}

/** Steps that are looked at for one page, so that it is not empty where differences are rare. */
const MOST_STEPS = 40

async function nextDifferences(database: Database, tenant: TenantContext, from: DriftPosition, kind: DriftKind) {
  let at = from
  for (let i = 0; ; i++) {
    const found = await driftStep(database, tenant, at, [kind])
    if (found.differences.length > 0 || found.next === undefined || i === MOST_STEPS) return found
    at = found.next
  }
}

function Differences({ of, path }: { of: readonly Difference[]; path: string }) {
  return (
    <Table head={['Person', 'Account', 'User', 'Difference']} label="Differences">
      {of.map(({ kind, reason, account, user, userName, displayName, lacks, exceeds }) => (
        <tr>
          <td class="long">{displayName ?? userName ?? ''}</td>
          <td class="long">{account === null ? <span class="quiet">none</span> : <code>{account}</code>}</td>
          <td>
            {user === null ? (
              <span class="quiet">none</span>
            ) : reason === 'deleted' ? (
              <code>{user}</code>
            ) : (
              <a href={`${path}/users/${user}`}>{userName ?? user}</a>
            )}
          </td>
          <td class="long">
            {kind === 'roles'
              ? [...lacks.map((role) => `lacks ${role}`), ...exceeds.map((role) => `has ${role}`)].join(', ')
              : (reason ?? kind)}
          </td>
        </tr>
      ))}
    </Table>
  )
}
