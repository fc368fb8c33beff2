import { z } from '@hono/zod-openapi'
import type { RequestDetails, RequestQuery, RequestSummary } from '../../administration/requests.ts'
import { OPERATIONS, type Operation } from '../../request-log/operation.ts'
import { DEVIATIONS, type DeviationName } from '../../scim/deviations/index.ts'
import { EXAMPLE } from '../control/examples.ts'
import { moment, plainText } from '../control/schemas.ts'

/** A status, or a class of them. */
const statusText = z
  .string()
  .regex(/^(?:[1-5]xx|[1-5][0-9]{2})$/, 'must be a status such as 409, or a class such as 4xx')
  .transform((text): readonly [number, number] => {
    const first = Number(text[0]) * 100
    return text.endsWith('xx') ? [first, first + 99] : [Number(text), Number(text)]
  })
  .openapi({ type: 'string', pattern: '^(?:[1-5]xx|[1-5][0-9]{2})$' })

/** Which requests are wanted, as the console's form has it too. */
export const requestFilter = z.object({
  person: plainText
    .max(256)
    .optional()
    .openapi({ description: 'A userName, e-mail address, externalId or id that the request named, in any case.' }),
  resource: z.uuid().optional().openapi({ description: 'Id of the resource that it was about.' }),
  requestId: plainText.max(128).optional(),
  operation: z
    .string()
    .refine((text): text is Operation => (OPERATIONS as readonly string[]).includes(text), {
      message: `must be one of ${OPERATIONS.join(', ')}`,
    })
    .optional()
    .openapi({
      type: 'string',
      pattern: `^(?:${OPERATIONS.join('|')})$`,
      description: `One of ${OPERATIONS.map((name) => `\`${name}\``).join(', ')}.`,
    }),
  status: statusText.optional().openapi({ description: 'Such as `409`, or `4xx` for all of a class.' }),
  key: plainText.max(64).optional().openapi({ description: 'Id of the API key.' }),
  since: moment.optional(),
  until: moment.optional(),
})

/** The filter as the log takes it. */
export function queryOf(filter: z.output<typeof requestFilter>): Omit<RequestQuery, 'after' | 'limit'> {
  const { person, resource, requestId, operation, status, key, since, until } = filter
  const at = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text))
  return { person, resourceId: resource, requestId, operation, status, keyId: key, since: at(since), until: at(until) }
}

/** What lists show of a request. */
export const summary = z
  .object({
    id: z.uuid(),
    time: z.string(),
    operation: z.enum(OPERATIONS).openapi({ description: '`gap` stands for requests that the log left out.' }),
    method: z.string(),
    path: z.string().openapi({ description: 'Path and query below the base URL, decoded; people are masked.' }),
    status: z.number().int(),
    ms: z.number(),
    client: z.string().nullable().openapi({ description: "The client's `User-Agent`." }),
    key: z.object({ id: z.string(), name: z.string().nullable() }).nullable().openapi({
      description: 'Null where no key of ours was sent.',
    }),
    requestId: z.string(),
    scimType: z.string().nullable(),
    reason: z.string().nullable(),
    detail: z.string().nullable(),
    explanation: z
      .object({ problem: z.string(), remedy: z.string(), field: z.string().optional() })
      .nullable()
      .openapi({ description: 'Of a refusal: what was wrong, and what to change in that identity provider.' }),
    resource: z.object({ endpoint: z.string(), id: z.string() }).nullable(),
    dropped: z.number().int().nullable().openapi({ description: 'Of a gap: how many requests were left out.' }),
    until: z.string().nullable().openapi({ description: 'Of a gap: when the last of them was.' }),
  })
  .openapi('LoggedRequest')

const body = z
  .object({
    text: z.string().nullable().openapi({ description: 'Null where it is left out for a secret in it.' }),
    length: z.number().int(),
    cut: z.boolean(),
  })
  .nullable()
const names = Object.keys(DEVIATIONS) as [DeviationName, ...DeviationName[]]
/** A request with all that is known of it. */
export const details = summary
  .extend({
    masked: z.boolean().openapi({ description: "Whether people's data is masked." }),
    deviations: z.array(z.enum(names)).openapi({ description: 'Deviations of the mode that the message needed.' }),
    request: body,
    response: body,
    events: z.array(
      z.object({
        id: z.uuid(),
        type: z.string(),
        time: z.string(),
        resource: z.object({ type: z.string(), id: z.uuid(), version: z.number().int() }),
        state: z.enum(['waiting', 'held', 'logged']).openapi({
          description: '`held` by the leaver brake; `waiting` for its position in the log.',
        }),
        deliveries: z
          .array(
            z.object({
              endpoint: z.uuid(),
              kind: z.enum(['webhook', 'stream']),
              attempts: z.number().int(),
              dead: z.boolean(),
              lastStatus: z.number().int().nullable(),
              lastError: z.string().nullable(),
            }),
          )
          .openapi({
            description: 'What receivers have not accepted. An event without any was accepted by all that want it.',
          }),
      }),
    ),
  })
  .openapi('LoggedRequestDetails')

export const exampleSummary = {
  ...{ id: EXAMPLE.requestId, time: EXAMPLE.changed, operation: 'create', method: 'POST', path: '/Users' },
  ...{ status: 409, ms: 4.2, client: 'Okta SCIM Client 1.0.0', key: { id: EXAMPLE.apiKeyId, name: 'acme Okta' } },
  ...{ requestId: EXAMPLE.requestId, scimType: 'uniqueness', reason: null, resource: null },
  ...{ detail: 'userName "•••@••••.•••••••" is taken.', dropped: null, until: null },
  explanation: {
    problem: 'Another user has this userName.',
    remedy: 'Find both users in Okta, and correct one of them.',
  },
} satisfies z.infer<typeof summary>
export const exampleDetails = {
  ...exampleSummary,
  ...{ masked: true, deviations: ['missing-schemas'] as DeviationName[] },
  request: { text: '{"userName":"•••@••••.•••••••"}', length: 32, cut: false },
  response: { text: '{"status":"409","scimType":"uniqueness"}', length: 40, cut: false },
  events: [],
} satisfies z.infer<typeof details>

/** A request as lists and streams show it. */
export const presentRequest = ({ at, until, ...rest }: RequestSummary): z.infer<typeof summary> => ({
  ...rest,
  time: new Date(at).toISOString(),
  until: until === null ? null : new Date(until).toISOString(),
})

/** The same of all that is known of one. */
export function presentDetails({ masked, deviations, request, response, events, ...rest }: RequestDetails) {
  return {
    ...presentRequest(rest),
    ...{ masked, deviations: [...deviations], request, response },
    events: events.map(({ id, type, occurredAt, resourceType, resourceId, version, state, deliveries }) => ({
      ...{ id, type, time: new Date(occurredAt).toISOString(), state },
      resource: { type: resourceType, id: resourceId, version },
      deliveries: deliveries.map(({ seq: _, endpointId: endpoint, ...delivery }) => ({ endpoint, ...delivery })),
    })),
  } satisfies z.infer<typeof details>
}
