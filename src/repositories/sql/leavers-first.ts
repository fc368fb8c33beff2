import { SHUTS_OUT } from '../../events/types.ts'

/** SQL: the types of events that take away a person's whole access. */
export const shutsOut: string = SHUTS_OUT.map((type) => `'${type}'`).join(', ')

/**
 * SQL: whether an event, or a later one of its resource among the same rows, takes away somebody's access. Events of one resource
 * keep their order, so all of these go before what others wait for.
 */
export const goesFirst = (resource: string, position: string, type: string): string =>
  `coalesce(${position} <= max(case when ${type} in (${shutsOut}) then ${position} end) over (partition by ${resource}), false)`
