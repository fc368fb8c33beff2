import { type SQL, sql } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import { v7 as uuidv7 } from 'uuid'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'

/** Whether a place has the id that a client wrote. It becomes an id of a place, in the types, when its row is found. */
export const hasId = (column: PgColumn, text: string): SQL => sql`${column} = ${text}::uuid`

/** Whether a place comes after the one with this id, there or not, in the order of creation. */
export const comesAfter = (column: PgColumn, text: string): SQL => sql`${column} > ${text}::uuid`

/** A new id for the row of a place, in the order of creation. */
export const newPlaceId = <Id extends ProjectId | EnvironmentId | TenantId>(): Id => uuidv7() as Id
