import { z } from 'zod'
import { type EnvironmentOverview, type Overview, overviewOf } from '../../../administration/overview.ts'
import type { Scope } from '../../../auth/principal.ts'
import type { ApiKeyRow } from '../../../repositories/control/api-keys.ts'
import type { TroubledTenant } from '../../../repositories/control/connections.ts'
import type { TenantSummary } from '../../../repositories/control/summaries.ts'
import type { TroubledEndpoint } from '../../../repositories/delivery/webhook-backlog.ts'
import type { ConsoleApp } from '../env.ts'
import { queryOf } from '../forms.ts'
import { Badge, Card, counted, cut, Moment, Pager } from '../parts.tsx'
import { CONSOLE, pathOf, pathTo } from '../paths.ts'
import { lettersOf } from './endpoint/parts.tsx'
import { NewPlace } from './place/project.tsx'
import { providerName, usually } from './tenant-table.tsx'

const PROJECTS = 20

/** `/console`: all that the key reaches, and what of it needs a look. */
export function overviewPage(app: ConsoleApp): void {
  app.get('/', async (c) => {
    const { after } = queryOf(c, z.object({ after: z.uuid().optional() }))
    const { database, principal } = c.var
    const overview = await overviewOf(database, principal.scope, { after, limit: PROJECTS + 1 })
    const { page, last } = cut(overview.projects, PROJECTS)
    return c.render(
      <>
        <h1>Overview</h1>
        <Attention overview={overview} />
        {page.map(({ project, environments }) => (
          <Card
            title={project.name}
            aside={
              <span class="badges">
                {project.paused && <Badge tone="warn">paused</Badge>}
                {reachesProjects(principal.scope) && <a href={pathTo(project.key)}>Project</a>}
              </span>
            }
          >
            {environments.length === 0 && <p class="quiet">No environments yet.</p>}
            {environments.map((one) => (
              <Environment project={project.key} one={one} among={overview} whole={principal.scope.kind !== 'tenant'} />
            ))}
          </Card>
        ))}
        <Pager next={last && `${CONSOLE}?after=${last.project.id}`} first={after && CONSOLE} />
        {principal.scope.kind === 'instance' && (
          <Card title="More projects">
            <NewPlace action={`${CONSOLE}/projects`} what="project" example="shop" />
          </Card>
        )}
      </>,
      { title: 'Overview' },
    )
  })
}

const reachesProjects = ({ kind }: Scope): boolean => kind === 'instance' || kind === 'project'

function Attention({ overview: { tenants, expiring, troubled, holding } }: { overview: Overview }) {
  const isOver = ({ expiresAt }: ApiKeyRow) => expiresAt !== null && expiresAt.getTime() <= Date.now()
  if (tenants.length + expiring.length + troubled.length + holding.length === 0)
    return (
      <p class="notice">
        Nothing needs a look: every identity provider is heard of as usual, no key expires within 30 days, every webhook
        and stream gets through, and no leaver brake holds.
      </p>
    )
  return (
    <Card title="Needs a look">
      <ul class="look">
        {tenants.map((tenant) => (
          <TroubledTenantLine tenant={tenant} />
        ))}
        {holding.map(({ id, name, projectId, environmentId, since, until }) => (
          <li>
            <Badge tone="bad">brake</Badge>
            <span>
              <a href={pathTo(projectId, environmentId, id)}>{name}</a> holds leavers since <Moment at={since} />; they
              are released <Moment at={until} />.
            </span>
          </li>
        ))}
        {expiring.map((key) => (
          <li>
            <Badge tone={isOver(key) ? 'bad' : 'warn'}>API key</Badge>
            <span>
              <a href={`${pathOf(key.scope)}/api-keys/${key.id}`}>{key.name}</a> {isOver(key) ? 'expired' : 'expires'}{' '}
              <Moment at={key.expiresAt} />.
            </span>
          </li>
        ))}
        {troubled.map((endpoint) => (
          <li>
            <Badge tone={endpoint.enabled ? 'warn' : 'bad'}>{endpoint.isStream ? 'stream' : 'webhook'}</Badge>
            <span>
              <a href={endpointPath(endpoint)}>{endpoint.name}</a> {troubleOf(endpoint)}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  )
}

/** What is wrong with a tenant, since when. */
export function TroubledTenantLine({ tenant }: { tenant: TroubledTenant }) {
  const { id, name, projectId, environmentId, trouble, provider, since, failedInARow, lastFailure, rhythm } = tenant
  const link = <a href={pathTo(projectId, environmentId, id)}>{name}</a>
  if (trouble === 'seats')
    return (
      <li>
        <Badge tone="warn">seats</Badge>
        <span>{link} has no seat left: new users are refused.</span>
      </li>
    )
  return (
    <li>
      <Badge tone="bad">{trouble}</Badge>
      <span>
        {link}
        {provider !== null && ` (${providerName(provider, null)})`}{' '}
        {trouble === 'silent' ? (
          <>
            was heard of last <Moment at={since} />; {usually(rhythm)}.
          </>
        ) : (
          <>
            is refused since <Moment at={since} />: {counted(failedInARow, 'request')} in a row, the last one with{' '}
            {lastFailure}.
          </>
        )}
      </span>
    </li>
  )
}

const endpointPath = ({ projectId, environmentId, tenantId, id, isStream }: TroubledEndpoint): string =>
  `${pathTo(projectId, environmentId, tenantId ?? undefined)}/${isStream ? 'streams' : 'webhooks'}/${id}`

function troubleOf({ enabled, disabledReason, failing, dead }: TroubledEndpoint): string {
  return [
    ...(enabled ? [] : [`is disabled: ${disabledReason ?? 'no reason was given.'}`]),
    ...(enabled && failing ? ['is failing.'] : []),
    ...(dead > 0 ? [`${lettersOf(dead)}.`] : []),
  ].join(' ')
}

/** @param whole whether the key reaches environments as a whole */
function Environment(props: { project: string; one: EnvironmentOverview; among: Troubles; whole: boolean }) {
  const { project, one, among, whole } = props
  const { environment, tenants, moreTenants } = one
  const path = pathTo(project, environment.key)
  return (
    <div class="env">
      <div class="top">
        <h3>{whole ? <a href={path}>{environment.name}</a> : environment.name}</h3>
        {environment.paused && <Badge tone="warn">paused</Badge>}
        {moreTenants && <a href={path}>All tenants</a>}
      </div>
      <TenantCards tenants={tenants} path={path} among={among} />
    </div>
  )
}

type Troubles = Pick<Overview, 'expiring' | 'holding' | 'troubled'>

/** Tenants at a glance. @param path of their environment @param among what is wrong in it */
export function TenantCards(props: { tenants: readonly TenantSummary[]; path: string; among: Troubles }) {
  const { tenants, path, among } = props
  const troubled = (id: string, isStream: boolean) =>
    among.troubled.some((one) => one.tenantId === id && one.isStream === isStream)
  const expires = (id: string) => among.expiring.some(({ scope }) => scope.kind === 'tenant' && scope.tenantId === id)
  return (
    <ul class="tenants">
      {tenants.map((tenant) => (
        <li>
          <a class="tenant" href={`${path}/tenants/${tenant.key}`}>
            <b>{tenant.name}</b>{' '}
            <span class="badges">
              {tenant.paused && <Badge tone="warn">paused</Badge>}
              {expires(tenant.id) && <Badge tone="warn">key expires</Badge>}
              {among.holding.some(({ id }) => id === tenant.id) && <Badge tone="bad">brake holds</Badge>}
              {troubled(tenant.id, false) && <Badge tone="bad">webhook</Badge>}
              {troubled(tenant.id, true) && <Badge tone="bad">stream</Badge>}
            </span>
            <br />
            <span class="quiet small num">{countsOf(tenant)}</span>
          </a>
        </li>
      ))}
    </ul>
  )
}

function countsOf({ users, activeUsers, groups }: TenantSummary): string {
  if (users === 0 && groups === 0) return 'empty'
  const active = activeUsers === users ? '' : `, ${activeUsers.toLocaleString('en')} active`
  return `${counted(users, 'user')}${active} · ${counted(groups, 'group')}`
}
