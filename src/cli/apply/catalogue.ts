import { z } from 'zod'
import type { Schemas } from '../../client/index.ts'
import { differencesOf } from './differences.ts'
import type { Following } from './following.ts'
import { nameOf, type PlaceKeys, type placeOn } from './places.ts'

const text = z.string().default('')
/** The roles and entitlements of a place in a file, whole, as the admin API takes them. */
export const cataloguePart = z.strictObject({
  kinds: z
    .array(
      z.strictObject({
        ...{ name: z.string(), endpoint: z.string(), description: text },
        attribute: z.enum(['roles', 'entitlements']).default('entitlements'),
      }),
    )
    .default([]),
  entries: z.array(
    z.strictObject({
      ...{ value: z.string(), kind: z.string(), displayName: z.string(), description: text },
      ...{ supported: z.boolean().default(true), contains: z.array(z.string()).default([]) },
    }),
  ),
})
export type CataloguePart = z.infer<typeof cataloguePart>

/** What a place has published, as a file has it. */
export const catalogueAsPart = ({ kinds, entries }: Schemas['Catalogue']): CataloguePart => ({
  kinds,
  entries: entries.map(({ createdAt, updatedAt, ...entry }) => entry),
})

/** Kinds and entries by their names, for what differs. */
const byName = ({ kinds, entries }: CataloguePart): Record<string, unknown> => ({
  ...Object.fromEntries(kinds.map((kind) => [`kinds.${kind.name}`, kind])),
  ...Object.fromEntries(entries.map((entry) => [`entries.${entry.value}`, entry])),
})

/** Publishes the catalogue of a file where it is another one than the place has. Users keep what they have, whatever goes. */
export async function followCatalogue(
  place: PlaceKeys,
  wanted: CataloguePart,
  there: { readonly body: Schemas['Catalogue']; readonly etag: string | null } | undefined,
  on: ReturnType<typeof placeOn>,
  { dry, told }: Following,
): Promise<void> {
  const tell = { what: 'catalogue', at: nameOf(place), notes: [] }
  if (there === undefined) {
    if (!dry) await on.putCatalogue(wanted, undefined)
    return told({ ...tell, action: 'create', differences: [] })
  }
  const [before, after] = [byName(catalogueAsPart(there.body)), byName(wanted)]
  const gone = Object.fromEntries(Object.keys(before).flatMap((name) => (name in after ? [] : [[name, null]])))
  const differences = differencesOf(before, { ...after, ...gone })
  if (differences.length === 0) return
  if (!dry) await on.putCatalogue(wanted, there.etag ?? undefined)
  told({ ...tell, action: 'change', differences })
}
