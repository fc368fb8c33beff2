import { type SQL, sql } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import { v7 as uuidv7 } from 'uuid'
import type { EnvironmentId, ProjectId, TenantId } from '../../place-ids.ts'

/** The condition that a place has the id `text`. A text of a client is the id of a place only when its row was found. */
export const hasId = (column: PgColumn, text: string): SQL => sql`${column} = ${text}::uuid`

/** The condition that a place comes after the id `text` in the order of creation; a place with that id need not exist. */
export const comesAfter = (column: PgColumn, text: string): SQL => sql`${column} > ${text}::uuid`

/** A new id for the row of a place, in the order of creation. */
export const newPlaceId = <Id extends ProjectId | EnvironmentId | TenantId>(): Id => uuidv7() as Id
