import { fold } from '../scim/comparable.ts'
import { type CatalogueAttribute, type CatalogueKind, catalogueType } from '../scim/schema/catalogue-types.ts'
import { defineResourceType } from '../scim/schema/define.ts'
import type { ResourceType } from '../scim/schema/resource-type.ts'

/** What users of a tenant can be given, as the application publishes it: a role, an entitlement, or one of a further kind. */
export interface CatalogueEntry {
  /** Name of its kind, such as `Role`. */
  readonly kind: string
  /** What a user has in `roles.value` or `entitlements.value`; unique in the catalogue, letter case aside. */
  readonly value: string
  readonly displayName: string
  readonly description: string
  /** Whether users can get it. Who has it keeps it. */
  readonly supported: boolean
  /** Values of those that it includes. */
  readonly contains: readonly string[]
  /** Milliseconds since 1970. The time of its last change is its version, too. */
  readonly created: number
  readonly modified: number
}

/** What somebody publishes: the kinds beside the two built-in ones, and all entries. */
export interface Catalogue<Entry = CatalogueEntry> {
  readonly kinds: readonly CatalogueKind[]
  readonly entries: readonly Entry[]
}

/** An entry without its times. */
export type GivenEntry = Omit<CatalogueEntry, 'created' | 'modified'>

/** Kinds that need no declaration. They are in force where an entry names them. */
export const BUILT_IN_KINDS: readonly CatalogueKind[] = [
  { name: 'Role', endpoint: '/Roles', attribute: 'roles', description: '' },
  { name: 'Entitlement', endpoint: '/Entitlements', attribute: 'entitlements', description: '' },
]

/** So that a place's catalogue can be read in one go. */
export const MOST_ENTRIES = 1_000
/** Beside the built-in ones. */
export const MOST_KINDS = 20
/** A value is the key of a role, and stands in URLs. */
export const VALUE = /^[A-Za-z0-9_.:-]{1,100}$/

/** One thing that is wrong with a catalogue, by its place. */
export interface CatalogueMistake {
  readonly path: string
  readonly message: string
}

/** What is wrong with a catalogue by itself; nothing where all is well. */
export function catalogueMistakes({ kinds, entries }: Catalogue<GivenEntry>): CatalogueMistake[] {
  const mistakes: CatalogueMistake[] = []
  const wrong = (path: string, message: string) => mistakes.push({ path, message })
  const names = new Map(BUILT_IN_KINDS.map((kind) => [fold(kind.name), kind.name]))
  const endpoints = new Set(BUILT_IN_KINDS.map(({ endpoint }) => fold(endpoint)))
  for (const [i, kind] of kinds.entries()) {
    const problem = kindProblem(kind)
    if (problem !== undefined) wrong(`kinds.${i}`, problem)
    if (names.has(fold(kind.name))) wrong(`kinds.${i}.name`, `"${kind.name}" is there already`)
    if (endpoints.has(fold(kind.endpoint))) wrong(`kinds.${i}.endpoint`, `"${kind.endpoint}" is there already`)
    names.set(fold(kind.name), kind.name)
    endpoints.add(fold(kind.endpoint))
  }
  const values = new Set<string>()
  for (const [i, { kind, value }] of entries.entries()) {
    if (![...names.values()].includes(kind)) wrong(`entries.${i}.kind`, `"${kind}" is no kind of this catalogue`)
    if (values.has(fold(value))) wrong(`entries.${i}.value`, `"${value}" is there twice (letter case does not count)`)
    values.add(fold(value))
  }
  return mistakes
}

/** Why a kind can be no resource type; undefined where it can. */
function kindProblem(kind: CatalogueKind): string | undefined {
  const { name, endpoint, schema } = catalogueType(kind)
  try {
    defineResourceType({ name, endpoint, schema: schema.id }, new Map([[schema.id.toLowerCase(), schema]]))
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The kinds that a catalogue has in force: those that it declares, and the built-in ones that an entry names. */
export const kindsInForce = ({ kinds, entries }: Catalogue<GivenEntry>): readonly CatalogueKind[] => [
  ...BUILT_IN_KINDS.filter(({ name }) => entries.some(({ kind }) => kind === name)),
  ...kinds,
]

/** Two kinds that cannot stand side by side: they share a name or an endpoint, and not the rest. Undefined where all can. */
export function kindsApart(
  some: readonly CatalogueKind[],
  others: readonly CatalogueKind[],
): readonly [CatalogueKind, CatalogueKind] | undefined {
  for (const one of some) {
    const other = others.find((each) => isSame(each.name, one.name) !== isSame(each.endpoint, one.endpoint))
    if (other !== undefined) return [one, other]
    const twin = others.find(({ name }) => isSame(name, one.name))
    if (twin !== undefined && twin.attribute !== one.attribute) return [one, twin]
  }
  return undefined
}

const isSame = (a: string, b: string): boolean => fold(a) === fold(b)

/** The entries of an environment and of a tenant in it: the tenant's stand beside the environment's, and over those of the same value. */
export function entriesInForce(
  ofEnvironment: readonly CatalogueEntry[],
  ofTenant: readonly CatalogueEntry[],
): readonly CatalogueEntry[] {
  const own = new Set(ofTenant.map(({ value }) => fold(value)))
  return [...ofEnvironment.filter(({ value }) => !own.has(fold(value))), ...ofTenant]
}

/** What a value of a user's `roles` or `entitlements` means. */
export interface Offered {
  /** As the catalogue spells it: the key of the role. */
  readonly value: string
  readonly attribute: CatalogueAttribute
  readonly supported: boolean
}

/** The values that a place offers, by the value without letter case. */
export type OfferedValues = ReadonlyMap<string, Offered>

/** The values of these entries. Their kinds say in which attribute users have them. */
export function offeredValues(kinds: readonly CatalogueKind[], entries: readonly CatalogueEntry[]): OfferedValues {
  const attributes = new Map(kinds.map(({ name, attribute }) => [name, attribute]))
  return new Map(
    entries.flatMap(({ kind, value, supported }): [string, Offered][] => {
      const attribute = attributes.get(kind)
      return attribute === undefined ? [] : [[fold(value), { value, attribute, supported }]]
    }),
  )
}

/** Where the entries of a place come from. They are many, so only what asks for them reads them. */
export interface CatalogueReader {
  /** The values of the environment's catalogue, and of the tenant's. */
  values(): Promise<readonly OfferedValues[]> | readonly OfferedValues[]
  /** The entries in force. */
  entries(): Promise<readonly CatalogueEntry[]>
}

/** What a tenant's users can be given, where somebody has ever published that. */
export interface TenantCatalogue extends CatalogueReader {
  /** A resource type for each kind; none once the catalogue is withdrawn. */
  readonly types: readonly ResourceType[]
  /** By endpoint segment (`Roles`), exactly as spelled. */
  readonly byEndpoint: ReadonlyMap<string, ResourceType>
  /** The attributes whose values are checked: the others take any value, and give no role. */
  readonly checked: ReadonlySet<CatalogueAttribute>
}

type Kinds = readonly CatalogueKind[]
type OfKinds = Omit<TenantCatalogue, keyof CatalogueReader>

/** By the kinds of the environment, then those of the tenant: what the control plane gives out while nothing changes. */
const known = new WeakMap<Kinds, WeakMap<Kinds, OfKinds>>()
const NONE: Kinds = Object.freeze([])

/**
 * The catalogue of a tenant. What follows from the kinds is built once for the same ones, so that tenants which share their
 * environment's catalogue share it in memory.
 *
 * @param ofEnvironment undefined where the environment has never published a catalogue; the same for the tenant
 */
export function tenantCatalogue(
  ofEnvironment: Kinds | undefined,
  ofTenant: Kinds | undefined,
  reader: CatalogueReader,
): TenantCatalogue | undefined {
  if (ofEnvironment === undefined && ofTenant === undefined) return undefined
  const [shared, own] = [ofEnvironment ?? NONE, ofTenant ?? NONE]
  const inEnvironment = known.get(shared) ?? new WeakMap<Kinds, OfKinds>()
  known.set(shared, inEnvironment)
  const made = inEnvironment.get(own) ?? ofKinds([...shared, ...own])
  inEnvironment.set(own, made)
  return { ...made, ...reader }
}

function ofKinds(kinds: Kinds): OfKinds {
  const byName = new Map(kinds.map((kind) => [fold(kind.name), kind]))
  const types = [...byName.values()].map(catalogueType)
  return {
    types,
    byEndpoint: new Map(types.map((type) => [type.endpoint.slice(1), type])),
    checked: new Set([...byName.values()].map(({ attribute }) => attribute)),
  }
}
