/**
 * Why a request is refused: one word for each cause that has a remedy of its own. Logs keep it, and `explanations` says for each
 * what is wrong and what to change. Clients get `status`, `scimType` and `detail` alone.
 */
export const REASONS = [
  // The address.
  ...(['base-url-wrong', 'endpoint-unknown', 'path-malformed', 'version-unsupported', 'place-unknown'] as const),
  ...(['host-malformed', 'host-unknown', 'method-unsupported', 'http-malformed'] as const),
  // The key.
  ...(['key-missing', 'key-malformed', 'key-unknown', 'key-revoked', 'key-rotated', 'key-expired'] as const),
  ...(['token-unknown', 'token-expired', 'token-ended', 'wrong-keys-too-many', 'key-lacks-permission'] as const),
  ...(['client-unauthenticated', 'client-secret-wrong', 'assertion-wrong', 'issuer-keys-away'] as const),
  ...(['scope-not-held', 'tokens-too-often', 'token-request-malformed'] as const),
  ...(['key-of-another-place', 'key-of-one-user', 'me-without-user'] as const),
  // Global Token Revocation.
  ...(['logout-token-refused', 'logout-token-used', 'logout-not-allowed'] as const),
  ...(['logout-subject-malformed', 'logout-subject-unknown', 'logout-subject-ambiguous'] as const),
  // The tenant and its settings.
  ...(['place-paused', 'tenant-being-deleted', 'address-not-allowed', 'user-sync-off', 'group-sync-off'] as const),
  ...(['root-queries-off', 'passwords-refused', 'seats-gone', 'discovery-filtered'] as const),
  // Limits.
  ...(['requests-too-fast', 'requests-too-many', 'instance-full', 'headers-too-large', 'body-too-large'] as const),
  ...(['bulk-too-large', 'request-too-slow', 'query-too-costly', 'query-too-slow', 'patch-too-costly'] as const),
  // The message.
  ...(['accept-unsupported', 'content-type-unsupported', 'body-compressed', 'charset-unsupported'] as const),
  ...(['body-incomplete', 'body-not-utf8', 'body-not-json', 'body-not-object', 'body-too-deep'] as const),
  ...(['member-repeated', 'number-too-large', 'text-unstorable'] as const),
  // Schemas.
  ...(['schemas-missing', 'schemas-malformed', 'schema-unknown', 'extension-undeclared', 'schema-not-found'] as const),
  ...(['resource-type-not-found', 'definition-wrong', 'definitions-misfit'] as const),
  // Attributes and their values.
  ...(['attribute-unknown', 'required-missing', 'wrong-type', 'boolean-as-text', 'integer-as-text'] as const),
  ...(['object-for-list', 'text-for-object', 'value-not-allowed', 'value-malformed', 'value-too-long'] as const),
  ...(['values-too-many', 'primary-repeated', 'attribute-immutable', 'attribute-read-only', 'id-differs'] as const),
  ...(['required-not-removable', 'value-not-unique', 'role-name-taken', 'created-meanwhile'] as const),
  ...(['user-has-account', 'user-is-another'] as const),
  ...(['reference-unknown', 'member-deleted-meanwhile', 'resource-not-found', 'role-not-offered'] as const),
  // PATCH.
  ...(['patch-malformed', 'operation-unknown', 'operation-in-capitals', 'patch-path-missing'] as const),
  ...(['patch-path-malformed', 'patch-path-unknown', 'patch-value-missing', 'patch-value-unexpected'] as const),
  ...(['no-value-matches', 'several-values-match', 'member-changed'] as const),
  // Queries.
  ...(['filter-malformed', 'filter-attribute-unknown', 'filter-comparison-wrong', 'sort-unknown'] as const),
  ...(['parameter-wrong', 'cursor-wrong', 'cursor-expired', 'cursor-count-changed'] as const),
  // Versions and bulk.
  ...(['version-changed', 'precondition-malformed', 'bulk-malformed', 'bulk-reference-unknown'] as const),
  'bulk-reference-failed',
  // The service itself.
  ...(['database-away', 'database-slow', 'database-silent', 'database-takes-no-changes', 'connections-busy'] as const),
  ...(['changed-meanwhile', 'heavy-work-waits', 'keys-unconfirmed', 'starting', 'client-gone', 'fault'] as const),
] as const

export type Reason = (typeof REASONS)[number]
