/**
 * The tables whose rows belong to one tenant each. `resources` is first: on a Citus, the rows of a tenant in the others lie beside its
 * resources.
 */
export const TENANT_TABLES: readonly string[] = [
  'resources',
  'search_documents',
  'resource_keys',
  'memberships',
  'deferred_members',
  'roles',
  'role_bindings',
  'written_roles',
  'kept_users',
  'resource_counts',
  'tenant_versions',
  'events',
  'waiting_events',
  'held_events',
  'event_positions',
  'event_logs',
  'waiting_stretches',
  'webhook_deliveries',
  'request_log',
  'request_terms',
  'accounts',
  'account_keys',
  'account_reviews',
  'account_runs',
]
