import type { EnvironmentId, ProjectId, TenantId } from '../../src/place-ids.ts'

/** Text as the id of a place: for tests that make up what only the store gives out. */
export const placeId = <Id extends ProjectId | EnvironmentId | TenantId>(text: string): Id => text as Id
