import { z } from 'zod'
import type { Schemas } from '../../client/index.ts'
import { changeOf, type Difference, differencesOf, type Step } from './differences.ts'
import type { Following } from './following.ts'
import { nameOf, type PlaceKeys, type placeOn } from './places.ts'

/** A stream of Security Event Tokens in a file. The bearer token of one that is pushed is a secret, and never in it. */
const stream = z.strictObject({
  method: z.enum(['push', 'poll']),
  /** Of one that is pushed. */
  url: z.url().optional(),
  audience: z.string(),
  format: z.enum(['notice', 'full']).default('notice'),
  signals: z.array(z.enum(['caep', 'risc'])).default([]),
  subject: z.enum(['email', 'iss_sub']).default('iss_sub'),
  subjectIssuer: z.url().nullable().default(null),
  /** Without it, a new stream has the gateway's own choice, and one that is there keeps what it has. */
  algorithm: z.enum(['RS256', 'ES256']).optional(),
  description: z.string().default(''),
  events: z.array(z.string()).default([]),
  /** Without them, a stream that is paused or disabled stays so. */
  paused: z.boolean().optional(),
  enabled: z.boolean().optional(),
})
export type StreamPart = z.infer<typeof stream>

/** What tells a stream of a file from its others: where it is pushed to, or for whom it is polled. */
const nameOfStream = ({ method, url, audience }: Pick<StreamPart, 'method' | 'url' | 'audience'>): string =>
  method === 'push' ? `${url}` : `poll ${audience}`

export const streamParts = z
  .array(stream.refine(({ method, url }) => (method === 'push') === (url !== undefined), 'push takes a url, poll none'))
  .refine((all) => new Set(all.map(nameOfStream)).size === all.length, 'name one url or audience twice')

/** A stream that is there, as a file has it. */
export const streamAsPart = (found: Schemas['Stream']): StreamPart => {
  const { method, url, audience, format, signals, subject, subjectIssuer, algorithm, description, events } = found
  return {
    ...{ method, ...(method === 'push' && { url }), audience, format, signals, subject, subjectIssuer },
    ...{ algorithm, description, events },
    ...(found.paused && { paused: true }),
    ...(!found.enabled && { enabled: false }),
  }
}

/** Makes the streams of a place as a file says. Streams that receivers manage themselves are theirs, and not looked at. */
export async function followStreams(
  place: PlaceKeys,
  wanted: readonly StreamPart[],
  there: readonly Schemas['Stream'][],
  on: ReturnType<typeof placeOn>,
  { dry, told, prune }: Following,
): Promise<void> {
  const left = new Map(there.map((one) => [nameOfStream(one), one]))
  const tell = (action: Step['action'], name: string, differences: readonly Difference[] = [], notes: string[] = []) =>
    told({ action, what: 'stream', at: `${nameOf(place)} ${name}`, differences, notes })
  for (const part of wanted) {
    const name = nameOfStream(part)
    const stored = left.get(name)
    left.delete(name)
    const { enabled, paused, method, ...settings } = part
    if (stored === undefined) {
      if (!dry) {
        const { algorithm, ...more } = settings
        const made = await on.makeStream({ method, ...more, ...(algorithm && { algorithm }) } as Schemas['NewStream'])
        const later = { ...(enabled === false && { enabled }), ...(paused && { paused }) }
        if (Object.keys(later).length > 0) await on.changeStream(made.id, later)
      }
      tell('create', name, [], method === 'push' ? ['its bearer token, if it has one, is set in the console'] : [])
      continue
    }
    const differences = differencesOf({ ...stored }, { ...settings, enabled, paused })
    if (differences.length === 0) continue
    if (!dry) await on.changeStream(stored.id, changeOf(differences) as Schemas['StreamChange'])
    tell('change', name, differences)
  }
  for (const [name, { id }] of left) {
    if (prune && !dry) await on.deleteStream(id)
    tell(prune ? 'delete' : 'left', name)
  }
}
