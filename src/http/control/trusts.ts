import { z } from '@hono/zod-openapi'
import { CLIENT_ALGORITHMS } from '../../signing/client-key.ts'

const printable = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[ -~]+$/, 'must be printable ASCII')
const url = (max: number) => printable(max).refine((text) => URL.canParse(text), 'must be a URL')
const distinct = (values: readonly string[]) => new Set(values).size === values.length

/** What an API key is to trust, as admin API and console read it. */
export const newTrust = z.strictObject({
  issuer: url(500).openapi({ description: 'Equals `iss` of the assertion, letter by letter.' }),
  jwksUri: url(2_000).openapi({
    description: 'Where the issuer publishes its keys: a public `https` address, or one in `DELIVERY_NETWORKS`.',
  }),
  subject: printable(500).openapi({ description: 'Equals `sub`: the one workload that may use the API key.' }),
  audiences: z
    .array(printable(500))
    .min(1)
    .max(5)
    .refine(distinct, 'must not have the same one twice')
    .openapi({ description: 'One of them equals `aud`, which names no other.' }),
  algorithms: z
    .array(z.enum(CLIENT_ALGORITHMS))
    .min(1)
    .max(CLIENT_ALGORITHMS.length)
    .refine(distinct, 'must not have the same one twice')
    .openapi({ description: 'With which the issuer may sign; Entra ID uses RS256.' }),
})
