declare const kind: unique symbol

/**
 * Ids of places. No text compiles as one. An id comes out of the store, by a look-up that asks whether the place is within the
 * caller's, or from a row that the gateway reads for its own work.
 */
export type ProjectId = string & { readonly [kind]: 'project' }
export type EnvironmentId = string & { readonly [kind]: 'environment' }
export type TenantId = string & { readonly [kind]: 'tenant' }
