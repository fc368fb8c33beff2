import { z } from 'zod'
import { registryAt } from '../../../../administration/mapping/in-force.ts'
import { type MappingPreview, previewMapping } from '../../../../administration/mapping/preview.ts'
import { putMapping } from '../../../../administration/mapping/put-mapping.ts'
import { type SeenAttributes, seenAttributes } from '../../../../administration/mapping/seen-attributes.ts'
import { mappingState } from '../../../../administration/states/state-tags.ts'
import type { MappedValue } from '../../../../tenancy/mapping/compile.ts'
import { type Mapping, mapping as mappingForm } from '../../../../tenancy/mapping/form.ts'
import { effectiveSettings } from '../../../../tenancy/settings.ts'
import { entityTag } from '../../../control/conditional.ts'
import { invalid } from '../../../invalid.ts'
import { seesPeople } from '../../directory.ts'
import type { ConsoleApp, ConsoleContext } from '../../env.ts'
import { done, fieldsOf } from '../../forms.ts'
import { Badge, Card, counted, Form, Moment, Table } from '../../parts.tsx'
import { jsonIn } from '../place/fields.tsx'
import { type PlaceHere, placeHere, rowOf, WITH_SETTINGS } from '../place/here.ts'

const PEOPLE = 20

const fields = z.object({ step: z.enum(['preview', 'save']), mapping: z.string().optional() })

/** `…/mapping` of environments and tenants: what applications read of users, and a preview of it before it is saved. */
export function mappingPages(app: ConsoleApp): void {
  for (const address of WITH_SETTINGS) {
    app.get(`${address}/mapping`, async (c) => {
      const place = await placeHere(c)
      return c.render(<MappingPage place={place} seen={await seenAt(c, place)} />, {
        title: 'Mapping',
        crumbs: place.crumbs,
      })
    })

    app.post(`${address}/mapping`, async (c) => {
      const place = await placeHere(c)
      const { step, mapping: text } = fieldsOf(c.var.form, fields)
      // Without a text, it is taken back to what is inherited.
      const mapping = text === undefined ? null : mappingIn(text)
      if (step === 'preview') return previewPage(c, place, mapping)
      await putMapping(c.var.administration, idsOf(place), mapping)
      return done(c, `${place.path}/mapping`, 'mapping-saved')
    })
  }
}

/** @throws {Refusal} 400 with each mistake */
function mappingIn(text: string): Mapping {
  const parsed = z.object({ mapping: mappingForm }).safeParse({ mapping: jsonIn(text, 'mapping') })
  if (!parsed.success) throw invalid(parsed.error)
  return parsed.data.mapping
}

const idsOf = (place: PlaceHere) => (place.kind === 'tenant' ? place.scope : { ...place.scope, tenantId: null })
const tenantOf = (place: PlaceHere) => (place.kind === 'tenant' ? place.tenant : undefined)
const tagOf = (place: PlaceHere) => entityTag(mappingState(place.environment.settings, tenantOf(place)?.settings))

async function seenAt(c: ConsoleContext, place: PlaceHere): Promise<SeenAttributes | undefined> {
  const { database } = c.var
  const tenant = tenantOf(place)
  if (tenant === undefined) return undefined
  const registry = await registryAt(database, idsOf(place), place.environment.settings, tenant.settings)
  return seenAttributes(database, tenant.id, registry)
}

function MappingPage({ place, seen }: { place: PlaceHere; seen: SeenAttributes | undefined }) {
  const { path, kind, environment } = place
  const own = rowOf(place).settings.mapping
  const { mapping } = effectiveSettings(environment.settings, tenantOf(place)?.settings)
  const isEmpty = Object.keys(mapping).length === 0
  return (
    <>
      <div class="head">
        <h1>Mapping</h1>
        {own === undefined && <Badge>{isEmpty ? 'none' : 'of the environment'}</Badge>}
        <p class="quiet">
          What the application reads of users as <code>mapped</code>: names of its own, made from attributes and groups.
        </p>
      </div>
      <Card title={own === undefined && kind === 'tenant' ? 'A mapping of the tenant’s own' : 'Names and values'}>
        <Form action={`${path}/mapping`} class="wide" tag={tagOf(place)}>
          <label>
            As JSON: each name, and how its value is made
            <textarea name="mapping" rows={16} required spellcheck={false}>
              {JSON.stringify(isEmpty && own === undefined ? EXAMPLE : mapping, null, 2)}
            </textarea>
            <small>
              A text is the path of an attribute. Others are objects with one of all, first, constant, lower, upper,
              choose, split, join and groups.
            </small>
          </label>
          <p class="quiet small">Nothing changes before you have seen what users would have.</p>
          <button type="submit" name="step" value="preview" class="main">
            Preview
          </button>
        </Form>
      </Card>
      {own !== undefined && (
        <Card title={kind === 'tenant' ? 'Back to that of the environment' : 'No mapping'}>
          <Form action={`${path}/mapping`} tag={tagOf(place)}>
            <button type="submit" name="step" value="preview">
              {kind === 'tenant' ? 'Preview the mapping of the environment' : 'Preview without a mapping'}
            </button>
          </Form>
        </Card>
      )}
      {seen !== undefined && <Seen seen={seen} path={path} />}
    </>
  )
}

const EXAMPLE: Mapping = {
  email: 'emails[type eq "work"].value',
  name: { first: ['displayName', { join: ['name.givenName', 'name.familyName'], with: ' ' }] },
  teams: { groups: 'team-*', keep: 'star' },
}

function Seen({ seen: { attributes, requests }, path }: { seen: SeenAttributes; path: string }) {
  return (
    <Card title="Seen in traffic, in no schema">
      {attributes.length === 0 ? (
        <p class="quiet">
          {requests === 0
            ? 'The provisioning log has no request that makes or changes a user.'
            : `Nothing in the latest ${counted(requests, 'request', 'requests')}.`}
        </p>
      ) : (
        <>
          <p class="quiet">
            The identity provider sends these, and they are not kept. Register an extension under{' '}
            <a href={`${path}/schemas`}>Schemas</a>; from then on they are, and a mapping can read them.
          </p>
          <Table head={['Attribute', 'Type', 'Requests', 'Last', 'Examples, masked']} label="Attributes in no schema">
            {attributes.map(({ path: name, type, multiValued, requests: having, lastAt, examples }) => (
              <tr>
                <td class="long">
                  <code>{name}</code>
                </td>
                <td>{multiValued ? `${type}, several` : type}</td>
                <td>
                  {having} of {requests}
                </td>
                <td>
                  <Moment at={lastAt} />
                </td>
                <td class="long">
                  <code>{examples.join(' ')}</code>
                </td>
              </tr>
            ))}
          </Table>
        </>
      )}
    </Card>
  )
}

async function previewPage(c: ConsoleContext, place: PlaceHere, mapping: Mapping | null) {
  const { database, administration } = c.var
  const at = { environment: place.environment, tenant: tenantOf(place) }
  const page = { after: undefined, limit: PEOPLE }
  const found = await previewMapping(administration, at, mapping, page, database.caller.time ?? c.req.raw)
  return c.render(
    <>
      <h1>What users would have</h1>
      <Card
        title={`${counted(found.looked, 'user', 'users')} looked at${found.complete ? '' : ', and there are more'}`}
      >
        {found.fields.length === 0 ? (
          <p class="quiet">No mapping: users have no mapped values.</p>
        ) : (
          <Counts {...found} />
        )}
      </Card>
      {seesPeople(c) && <People {...found} />}
      <Card title="Save it?">
        <Form action={`${place.path}/mapping`} tag={tagOf(place)} class="actions">
          {mapping !== null && <input type="hidden" name="mapping" value={JSON.stringify(mapping)} />}
          <button type="submit" name="step" value="save" class="main">
            Save the mapping
          </button>
          <a class="button" href={`${place.path}/mapping`}>
            Leave it as it is
          </a>
        </Form>
      </Card>
    </>,
    { title: 'Preview', crumbs: place.crumbs },
  )
}

const Counts = ({ fields }: Pick<MappingPreview, 'fields'>) => (
  <Table head={['Name', 'Text', 'Number', 'True or false', 'List', 'No value', 'Changed']} label="Values by kind">
    {fields.map(({ name, kinds, changed }) => (
      <tr>
        <td>
          <code>{name}</code>
        </td>
        {[kinds.text, kinds.number, kinds.boolean, kinds.list].map((count) => (
          <td>{count}</td>
        ))}
        <td>{kinds.none === 0 ? 0 : <Badge tone="warn">{kinds.none}</Badge>}</td>
        <td>{changed}</td>
      </tr>
    ))}
  </Table>
)

function People({ people }: Pick<MappingPreview, 'people'>) {
  if (people.length === 0) return <p class="quiet">Nothing changes for the users that were looked at.</p>
  return (
    <Card
      title={people.length === PEOPLE ? `The first ${PEOPLE} for whom something changes` : 'For whom something changes'}
    >
      <Table head={['Person', 'Tenant', 'Name', 'Now', 'Then']} label="Users for whom something changes">
        {people.flatMap(({ tenant, name, id, before, after }) =>
          namesOf(before, after).map((field) => (
            <tr>
              <td class="long">{name ?? id}</td>
              <td>{tenant.key}</td>
              <td>
                <code>{field}</code>
              </td>
              <td class="long">{inWords(before?.[field])}</td>
              <td class="long">{inWords(after?.[field])}</td>
            </tr>
          )),
        )}
      </Table>
    </Card>
  )
}

/** Names whose value is another. */
const namesOf = (before: MappingPreview['people'][number]['before'], after: typeof before): string[] =>
  [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].filter(
    (name) => JSON.stringify(before?.[name] ?? null) !== JSON.stringify(after?.[name] ?? null),
  )

const inWords = (value: MappedValue | undefined) =>
  value === null || value === undefined ? (
    <span class="quiet">none</span>
  ) : Array.isArray(value) ? (
    value.join(', ')
  ) : (
    String(value)
  )
