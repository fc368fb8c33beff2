import { z } from 'zod'
import { Refusal } from '../../../../administration/refusal.ts'
import { type DefinitionPlace, deleteDefinition, putDefinition } from '../../../../administration/schema-definitions.ts'
import { definitionState } from '../../../../administration/states/state-tags.ts'
import { type DefinitionRow, schemaDefinitionsOf } from '../../../../repositories/control/schema-definitions.ts'
import type { JsonValue } from '../../../../scim/resource.ts'
import { type DefinitionKind, definitionJson, definitionName } from '../../../../scim/schema/definitions.ts'
import { entityTag } from '../../../control/conditional.ts'
import type { ConsoleApp, ConsoleContext } from '../../env.ts'
import { done, fieldsOf } from '../../forms.ts'
import { Card, Form, Moment, Table } from '../../parts.tsx'
import { confirmed, DeleteCard } from './danger.tsx'
import { jsonIn } from './fields.tsx'
import { type PlaceHere, placeHere, WITH_SETTINGS } from './here.ts'

/** As many as a place may have. */
const MOST = 50

const KINDS = { extensions: 'extension', 'resource-types': 'resourceType' } as const
type Collection = keyof typeof KINDS
const NOUNS = { extension: 'schema extension', resourceType: 'resource type' } as const

const EXAMPLES: Readonly<Record<DefinitionKind, object>> = {
  extension: {
    schema: {
      ...{ id: 'urn:example:scim:schemas:extension:2.0:Employment', name: 'Employment', description: '' },
      attributes: [{ name: 'badge', type: 'string', multiValued: false, required: false }],
    },
    resourceType: 'User',
  },
  resourceType: {
    resourceType: {
      ...{ name: 'Device', endpoint: '/Devices', description: '' },
      ...{ schema: 'urn:example:scim:schemas:2.0:Device', schemaExtensions: [] },
    },
    schemas: [
      {
        ...{ id: 'urn:example:scim:schemas:2.0:Device', name: 'Device', description: '' },
        attributes: [{ name: 'serialNumber', type: 'string', multiValued: false, required: true }],
      },
    ],
  },
}

/** `…/schemas` of environments and tenants: extensions and resource types of their own. */
export function schemaPages(app: ConsoleApp): void {
  for (const address of WITH_SETTINGS) {
    app.get(`${address}/schemas`, async (c) => {
      const place = await placeHere(c)
      const rows = schemaDefinitionsOf(c.var.database, place.scope.environmentId)
      const { tenantId } = definitionPlace(place)
      const [extensions, types] = await Promise.all([
        rows.list(tenantId, 'extension', { after: undefined, limit: MOST }),
        rows.list(tenantId, 'resourceType', { after: undefined, limit: MOST }),
      ])
      return c.render(
        <>
          <h1>Schemas</h1>
          <Definitions collection="extensions" rows={extensions} path={place.path} />
          <Definitions collection="resource-types" rows={types} path={place.path} />
        </>,
        { title: 'Schemas', crumbs: place.crumbs },
      )
    })
    for (const collection of Object.keys(KINDS) as Collection[]) pagesOf(app, address, collection)
  }
}

function pagesOf(app: ConsoleApp, address: string, collection: Collection): void {
  const kind = KINDS[collection]
  const one = `${address}/schemas/${collection}/:name`

  app.post(`${address}/schemas/${collection}`, async (c) => {
    const place = await placeHere(c)
    const json = definitionIn(c)
    const { row } = await putDefinition(c.var.administration, definitionPlace(place), kind, nameIn(kind, json), json)
    return done(c, pathOf(place.path, row), 'schema-saved')
  })

  app.get(one, async (c) => {
    const place = await placeHere(c)
    const row = await found(c, place, kind)
    const [name, here, tag] = [definitionName(row.definition), pathOf(place.path, row), entityTag(definitionState(row))]
    return c.render(
      <>
        <div class="head">
          <h1>{name}</h1>
          <p class="quiet">
            {NOUNS[kind]}, version {row.version}, changed <Moment at={row.updatedAt} />
          </p>
        </div>
        <Card title="Definition">
          <Form action={here} class="wide" tag={tag}>
            <Definition value={definitionJson(row.definition)} />
            <button type="submit" class="main">
              Save
            </button>
          </Form>
        </Card>
        <DeleteCard action={`${here}/delete`} what={NOUNS[kind]} named={name} loses={LOSES} tag={tag} />
      </>,
      { title: name, crumbs: [...place.crumbs, { name: 'Schemas', path: `${place.path}/schemas` }] },
    )
  })

  app.post(one, async (c) => {
    const place = await placeHere(c)
    const [name, json] = [c.req.param('name') ?? '', definitionIn(c)]
    const { row } = await putDefinition(c.var.administration, definitionPlace(place), kind, name, json)
    return done(c, pathOf(place.path, row), 'schema-saved')
  })

  app.post(`${one}/delete`, async (c) => {
    const place = await placeHere(c)
    const row = await found(c, place, kind)
    const name = definitionName(row.definition)
    confirmed(c, name)
    await deleteDefinition(c.var.administration, definitionPlace(place), kind, name)
    return done(c, `${place.path}/schemas`, 'deleted')
  })
}

const LOSES = 'Refused while there is data of it.'

const definitionPlace = (place: PlaceHere): DefinitionPlace =>
  place.kind === 'tenant' ? place.scope : { ...place.scope, tenantId: null }

/** @throws {Refusal} 404 */
async function found(c: ConsoleContext, place: PlaceHere, kind: DefinitionKind): Promise<DefinitionRow> {
  const name = c.req.param('name') ?? ''
  const { tenantId, environmentId } = definitionPlace(place)
  const row = await schemaDefinitionsOf(c.var.database, environmentId).find(tenantId, kind, name)
  if (row === undefined) throw Refusal.notFound(NOUNS[kind], name)
  return row
}

const pathOf = (place: string, { definition }: DefinitionRow): string => {
  const collection = definition.kind === 'extension' ? 'extensions' : 'resource-types'
  return `${place}/schemas/${collection}/${encodeURIComponent(definitionName(definition))}`
}

/** @throws {Refusal} 400 */
const definitionIn = (c: ConsoleContext): JsonValue =>
  jsonIn(fieldsOf(c.var.form, z.object({ definition: z.string() })).definition, 'definition') as JsonValue

/** The name that a definition gives itself; empty where it has none, which `putDefinition` refuses in words. */
function nameIn(kind: DefinitionKind, json: JsonValue): string {
  const [outer, inner] = kind === 'extension' ? ['schema', 'id'] : ['resourceType', 'name']
  const member = (value: unknown, name: string): unknown =>
    typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined
  const name = member(member(json, outer), inner)
  return typeof name === 'string' ? name : ''
}

function Definitions(props: { collection: Collection; rows: readonly DefinitionRow[]; path: string }) {
  const { collection, rows, path } = props
  const kind = KINDS[collection]
  const title = kind === 'extension' ? 'Extensions' : 'Resource types'
  return (
    <Card title={title}>
      {rows.length === 0 ? (
        <p class="quiet">There are none here.</p>
      ) : (
        <Table head={['Name', 'Version', 'Changed']} label={title}>
          {rows.map((row) => (
            <tr>
              <td class="long">
                <a href={pathOf(path, row)}>{definitionName(row.definition)}</a>
              </td>
              <td class="num">{row.version}</td>
              <td>
                <Moment at={row.updatedAt} />
              </td>
            </tr>
          ))}
        </Table>
      )}
      <details class="more">
        <summary>New {NOUNS[kind]} …</summary>
        <Form action={`${path}/schemas/${collection}`} class="wide">
          <Definition value={EXAMPLES[kind]} />
          <button type="submit" class="main">
            Register it
          </button>
        </Form>
      </details>
    </Card>
  )
}

function Definition({ value }: { value: object }) {
  return (
    <label>
      Definition, as the admin API has it
      <textarea name="definition" rows={18} required spellcheck={false}>
        {JSON.stringify(value, null, 2)}
      </textarea>
      <small>A change may add attributes and widen what there is; all else is refused with every reason.</small>
    </label>
  )
}
