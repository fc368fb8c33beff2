import { z } from '@hono/zod-openapi'

/** What a mapping gives of a user. */
export const mapped = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]))
  .openapi('Mapped', {
    description:
      "What the tenant's mapping makes of the user: each name of the mapping, null where there is no value. Absent where the tenant has no mapping.",
    example: { email: 'ada@acme.example', teams: ['payments'], costCentre: null },
  })
