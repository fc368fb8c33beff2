const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** A method of HTTP as metrics and traces name it. Clients may send any word for one: undefined for those. */
export const knownMethod = (method: string): string | undefined => (METHODS.has(method) ? method : undefined)
