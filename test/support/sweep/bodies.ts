/** A schema of the OpenAPI document, as much of it as the sweep understands. */
export interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly format?: string
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly items?: Schema
  readonly maxItems?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema | boolean
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
}

type Json = Readonly<Record<string, unknown>>

/** What stands in a member where nothing else is said, by the member's name and schema; undefined: the schema alone decides. */
export type Samples = (name: string, schema: Schema, beside: Json) => unknown

/** What bodies are made with. */
export interface Maker {
  readonly definitions: Readonly<Record<string, Schema>>
  readonly samples: Samples
  /** Which members are always there though they may be left out, such as what keeps a request from waiting. */
  readonly always: (name: string, beside: Json) => boolean
  /** Of some member, others without which it means nothing. */
  readonly companions: Readonly<Record<string, readonly string[]>>
}

/** A member that takes text, and the smallest body with a given text in it. */
export interface TextMember {
  /** Such as `items[].resource.id`. */
  readonly path: string
  /** The member's own name; of what stands in a list, the list's. */
  readonly name: string
  readonly schema: Schema
  body(text: string): unknown
}

/** Names of members whose values decide what else there is; each value makes a form of its own. */
const FORMS = new Set(['kind', 'method'])

/** All forms of a schema: members of unions, and an object for each value of what decides its form. */
function formsOf(schema: Schema, maker: Maker): Schema[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1) ?? ''
    const named = maker.definitions[name]
    if (named === undefined) throw new Error(`the OpenAPI document has no schema ${schema.$ref}`)
    return formsOf(named, maker)
  }
  const union = schema.anyOf ?? schema.oneOf
  if (union !== undefined) return union.flatMap((one) => formsOf(one, maker))
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    if (!FORMS.has(name) || member.enum === undefined || member.enum.length < 2) continue
    return member.enum.map((value) => ({
      ...schema,
      properties: { ...schema.properties, [name]: { ...member, enum: [value] } },
    }))
  }
  return [schema]
}

const typesOf = ({ type }: Schema): readonly string[] => (typeof type === 'string' ? [type] : (type ?? []))

/** Bodies that fit the schema: of each form the smallest, and one with every member. */
export function bodiesOf(schema: Schema, maker: Maker): unknown[] {
  return formsOf(schema, maker).flatMap((form) => {
    const [least, most] = [sample('', form, maker, false), sample('', form, maker, true)]
    return JSON.stringify(least) === JSON.stringify(most) ? [least] : [least, most]
  })
}

function sample(name: string, schema: Schema, maker: Maker, full: boolean, beside: Json = {}): unknown {
  const told = maker.samples(name, schema, beside)
  if (told !== undefined) return told
  const [form = schema] = formsOf(schema, maker)
  if (form !== schema) return sample(name, form, maker, full, beside)
  if (schema.enum !== undefined) return schema.enum[0]
  switch (typesOf(schema)[0]) {
    case 'object':
      return objectOf(schema, maker, full)
    case 'array': {
      const forms = formsOf(schema.items ?? {}, maker).slice(0, schema.maxItems ?? 100)
      return forms.map((item) => sample(name, item, maker, full))
    }
    case 'string':
      if (schema.format === undefined) return 'sample'
      break
    case 'integer':
    case 'number':
      return schema.minimum ?? 1
    case 'boolean':
      return true
  }
  throw new Error(`the sweep cannot make a value for "${name}": ${JSON.stringify(schema)}; tell it in places.ts`)
}

/** Members in the order of the schema, each told of those before it. */
function objectOf(schema: Schema, maker: Maker, full: boolean, given: Json = {}): Json {
  const made: Record<string, unknown> = { ...given }
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    if (name in made) continue
    const wanted = full || schema.required?.includes(name) || maker.always(name, made)
    const value = wanted ? sample(name, member, maker, full, made) : undefined
    if (value !== undefined && value !== LEFT_OUT) made[name] = value
  }
  const { additionalProperties: others } = schema
  if (full && typeof others === 'object' && Object.keys(others).length > 0)
    made.sample = sample('sample', others, maker, full)
  return made
}

/** What `Samples` give for a member that has to be left out beside the others. */
export const LEFT_OUT = Symbol('left out')

/** Every member that takes text, at any depth and in every form. */
export function textMembers(schema: Schema, maker: Maker, name = '', path = ''): TextMember[] {
  const at = (inner: string) => (path === '' ? inner : `${path}.${inner}`)
  return formsOf(schema, maker).flatMap((form): TextMember[] => {
    const types = typesOf(form)
    if (form.enum !== undefined || form.format === 'date-time') return []
    if (types.includes('string')) return [{ path, name, schema: form, body: (text) => text }]
    if (types.includes('array')) {
      const items = textMembers(form.items ?? {}, maker, name, `${path}[]`)
      return items.map((item) => ({ ...item, body: (text) => [item.body(text)] }))
    }
    if (!types.includes('object')) return []
    const members = Object.entries(form.properties ?? {}).flatMap(([one, member]) =>
      textMembers(member, maker, one, at(one)).map((inner) => ({
        ...inner,
        body: (text: string) => {
          const companions = (maker.companions[one] ?? []).filter((other) => other in (form.properties ?? {}))
          const required = [...(form.required ?? []), ...companions]
          return objectOf({ ...form, required }, maker, false, { [one]: inner.body(text) })
        },
      })),
    )
    const { additionalProperties: others } = form
    if (typeof others !== 'object' || Object.keys(others).length === 0) return members
    const rest = (key: string, value: unknown) => objectOf(form, maker, false, { [key]: value })
    return [
      ...members,
      { path: at('{name}'), name, schema: {}, body: (text) => rest(text, sample('sample', others, maker, false)) },
      ...textMembers(others, maker, 'sample', at('*')).map((inner) => ({
        ...inner,
        body: (text: string) => rest('sample', inner.body(text)),
      })),
    ]
  })
}
