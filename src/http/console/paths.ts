import type { Scope } from '../../auth/principal.ts'

/** Where the console is. Below it, addresses are those of the admin API. */
export const CONSOLE = '/console'

/** The page of a project, an environment or a tenant by their keys or ids, or of everything. */
export function pathTo(project?: string, environment?: string, tenant?: string): string {
  const parts = [...named('projects', project), ...named('environments', environment), ...named('tenants', tenant)]
  return [CONSOLE, ...parts].join('/')
}

/** The page of a place by its ids. */
export function pathOf(scope: Scope): string {
  if (scope.kind === 'instance') return CONSOLE
  return pathTo(
    scope.projectId,
    'environmentId' in scope ? scope.environmentId : undefined,
    'tenantId' in scope ? scope.tenantId : undefined,
  )
}

const named = (kind: string, name: string | undefined): string[] => (name === undefined ? [] : [kind, name])
