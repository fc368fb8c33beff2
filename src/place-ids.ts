declare const kind: unique symbol

/**
 * Ids of places. A text does not compile as one, whatever it looks like: they come out of the store, by a look-up that has
 * asked whether the place is within the caller's, or from a row of our own.
 */
export type ProjectId = string & { readonly [kind]: 'project' }
export type EnvironmentId = string & { readonly [kind]: 'environment' }
export type TenantId = string & { readonly [kind]: 'tenant' }
