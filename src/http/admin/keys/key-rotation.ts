import { createRoute, z } from '@hono/zod-openapi'
import { endRotation, rotateApiKey, undoRotation } from '../../../administration/keys/key-rotation.ts'
import { apiKeyState } from '../../../administration/states/state-tags.ts'
import { tagged } from '../../control/conditional.ts'
import type { AdminApp } from '../../control/env.ts'
import { EXAMPLE } from '../../control/examples.ts'
import type { Level } from '../../control/levels.ts'
import { placeNamed } from '../../control/places.ts'
import { apiKeyParam, jsonAnswer, jsonBody, moment, problems } from '../../control/schemas.ts'
import {
  apiKey,
  createdApiKey,
  exampleApiKey,
  exampleKey,
  expiry,
  type Names,
  newSecret,
  oldSecret,
  present,
  presentCreated,
  tags,
} from './api-key-shapes.ts'

const rotation = z
  .strictObject({
    keepOldForSeconds: z
      .number()
      .int()
      .min(0)
      .max(30 * 86_400)
      .optional()
      .openapi({ description: 'How long the old secret stays good. Default: a day; no limit with untilNewIsUsed.' }),
    untilNewIsUsed: z
      .boolean()
      .optional()
      .openapi({ description: 'Ends the old secret once the new one was seen in use, within a second or two.' }),
    expiresAt: moment.optional().openapi({
      description:
        'When the key expires with its new secret, with the same bounds as that of a new key. Default: it lives as long again.',
    }),
  })
  .openapi('ApiKeyRotation')

/** `…/api-keys/{apiKey}/rotation` of the admin API: a new secret under the same id, and how the rotation ends. */
export function rotationRoutes(app: AdminApp, { path, params, prefix, of }: Level): void {
  const one = params.extend({ apiKey: apiKeyParam })

  const rotate = createRoute({
    method: 'post',
    path: `${path}/api-keys/{apiKey}/rotation`,
    operationId: `rotate${prefix}ApiKey`,
    summary: `Rotate an API key${of}`,
    tags,
    description: 'Makes a new secret, good at once; the old one stays good for a while.',
    request: { params: one, body: { ...jsonBody(rotation, { untilNewIsUsed: true }), required: false } },
    responses: {
      201: jsonAnswer(createdApiKey, 'Rotated; the answer is the only place that shows the key', {
        ...{ ...exampleApiKey, key: exampleKey, secrets: [{ ...oldSecret, endsOnUse: true }, newSecret] },
        warnings: [
          `Its new secret was not used yet; the old one ends when the new one is used, and was last used at ${EXAMPLE.changed}.`,
        ],
      }),
      ...problems,
    },
  })
  app.openapi(rotate, async (c) => {
    const { apiKey = '', ...names } = c.req.param() as Names
    const place = await placeNamed(c.var, names)
    const { keepOldForSeconds, untilNewIsUsed, ...input } = c.req.valid('json')
    const wish = { keepOldForSeconds, untilNewIsUsed, expiresAt: expiry(input) }
    const made = await rotateApiKey(c.var.administration, place, apiKey, wish, c.var.principal, new Date())
    const detail = `The API key "${apiKey}" was rotated by the first request, whose answer alone showed it; undo that, and rotate again.`
    c.set('toRepeats', { status: 409, detail })
    tagged(c, apiKeyState(made))
    return c.json(presentCreated(made), 201, { 'Cache-Control': 'no-store' })
  })

  for (const { below, verb, summary, secrets, settle } of SETTLEMENTS) {
    const end = createRoute({
      method: 'delete',
      path: `${path}/api-keys/{apiKey}/rotation${below}`,
      operationId: `${verb}${prefix}ApiKeyRotation`,
      summary: `${summary}${of}`,
      tags,
      request: { params: one },
      responses: { 200: jsonAnswer(apiKey, 'The key as it is now', { ...exampleApiKey, secrets }), ...problems },
    })
    app.openapi(end, async (c) => {
      const { apiKey = '', ...names } = c.req.param() as Names
      const place = await placeNamed(c.var, names)
      const settled = await settle(c.var.administration, place, apiKey, new Date())
      tagged(c, apiKeyState(settled))
      return c.json(present(settled), 200)
    })
  }
}

const SETTLEMENTS = [
  {
    ...{ below: '', verb: 'undo', settle: undoRotation },
    summary: 'End the new secret of a rotation and keep the old one, for an API key',
    secrets: [oldSecret, { ...newSecret, endsAt: EXAMPLE.changed }],
  },
  {
    ...{ below: '/old', verb: 'complete', settle: endRotation },
    summary: 'End the old secret of a rotation at once, for an API key',
    secrets: [{ ...oldSecret, endsAt: EXAMPLE.changed }, newSecret],
  },
]
