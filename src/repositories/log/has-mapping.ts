/** Of `tenants t` and the settings of its environment: whether the mapping in force gives anything. */
export const mapsAnything = (environment: string): string =>
  `coalesce(t.settings->'mapping', ${environment}->'mapping', '{}') <> '{}'`

/**
 * Whether users of a tenant have mapped values, as an expression that a statement evaluates once. Statements that read events ask it
 * along the way, so that a tenant without a mapping costs no statement of its own.
 *
 * @param tenant parameter that holds the tenant's id
 */
export const hasMapping = (tenant: string): string => `(
  select ${mapsAnything('e.settings')} from tenants t join environments e on e.id = t.environment_id where t.id = ${tenant}
)`
