import { Marked } from '../../page.tsx'

/** The parts of JSON Schema that the OpenAPI document has. */
interface Schema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly format?: string
  readonly default?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
}

/** What a value may be: its type in words, its description, and the members of an object as a table. */
export function Shape({ schema, description }: { schema: unknown; description?: string | undefined }) {
  const shape = (schema ?? {}) as Schema
  const text = description ?? shape.description
  return (
    <>
      <TypeOf schema={shape} />
      {text && (
        <>
          {' · '}
          <Marked text={text} />
        </>
      )}
      {objectsIn(shape).map((members) => (
        <table>
          <tbody>
            {Object.entries(members.properties ?? {}).map(([name, member]) => (
              <tr>
                <td>
                  <code>{name}</code> {members.required?.includes(name) ? '' : <span class="quiet">optional</span>}
                </td>
                <td>
                  <Shape schema={member} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </>
  )
}

function TypeOf({ schema }: { schema: Schema }) {
  const { $ref, items, enum: values } = schema
  if ($ref !== undefined) {
    const name = $ref.slice($ref.lastIndexOf('/') + 1)
    return <a href={`#schema-${name}`}>{name}</a>
  }
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf
  if (choices !== undefined)
    return (
      <>
        {choices.map((choice, i) => (
          <>
            {i > 0 ? ' or ' : ''}
            <TypeOf schema={choice} />
          </>
        ))}
      </>
    )
  if (values !== undefined)
    return (
      <>
        {values.map((value, i) => (
          <>
            {i > 0 ? ', ' : ''}
            <code>{JSON.stringify(value)}</code>
          </>
        ))}
      </>
    )
  const names = [schema.type ?? 'anything'].flat()
  if (items !== undefined)
    return (
      <>
        <span class="quiet">list of </span>
        <TypeOf schema={items} />
        {names.includes('null') ? <span class="quiet"> or null</span> : ''}
      </>
    )
  return <span class="quiet">{[names.join(' or '), ...limitsOf(schema)].join(', ')}</span>
}

function limitsOf({ format, default: value, minimum, maximum, minLength, maxLength }: Schema): string[] {
  return [
    ...(format === undefined ? [] : [format]),
    ...(minimum === undefined ? [] : [`from ${minimum}`]),
    ...(maximum === undefined ? [] : [`to ${maximum}`]),
    ...(minLength === undefined ? [] : [`${minLength} or more characters`]),
    ...(maxLength === undefined ? [] : [`up to ${maxLength} characters`]),
    ...(value === undefined ? [] : [`default ${JSON.stringify(value)}`]),
  ]
}

/** The objects whose members are to be shown: the value itself, each element of a list, or what it may be of several. */
function objectsIn(schema: Schema): readonly Schema[] {
  if (schema.properties !== undefined) return [schema]
  const parts = schema.anyOf ?? schema.oneOf ?? schema.allOf ?? (schema.items === undefined ? [] : [schema.items])
  return parts.flatMap(objectsIn)
}
