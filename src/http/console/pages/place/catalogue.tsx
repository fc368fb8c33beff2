import { z } from 'zod'
import {
  type CataloguePlace,
  deleteCatalogueEntry,
  isPublished,
  publishCatalogue,
  putCatalogueEntry,
  withdrawCatalogue,
} from '../../../../administration/catalogue/catalogue.ts'
import { catalogueState } from '../../../../administration/states/state-tags.ts'
import { type CatalogueRow, cataloguesOf } from '../../../../repositories/control/catalogues.ts'
import { BUILT_IN_KINDS, type CatalogueEntry, VALUE } from '../../../../tenancy/catalogue.ts'
import { catalogueInput, wholeCatalogue } from '../../../admin/catalogue.ts'
import { entityTag } from '../../../control/conditional.ts'
import { nameText } from '../../../control/schemas.ts'
import { invalid } from '../../../invalid.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf } from '../../forms.ts'
import { Action, Badge, Card, counted, Form, Table } from '../../parts.tsx'
import { jsonIn } from './fields.tsx'
import { type PlaceHere, placeHere, WITH_SETTINGS } from './here.ts'

const TITLE = 'Roles and entitlements'

const newEntry = z.object({
  ...{ kind: z.string(), value: z.string().regex(VALUE), displayName: nameText },
  ...{ description: z.string().max(1_000).default(''), supported: z.stringbool() },
})

/** `…/catalogue` of environments and tenants: what identity providers may give to users. */
export function cataloguePages(app: ConsoleApp): void {
  for (const address of WITH_SETTINGS) {
    app.get(`${address}/catalogue`, async (c) => {
      const place = await placeHere(c)
      const row = await cataloguesOf(c.var.database, place.scope.environmentId).find(placeOf(place).tenantId)
      return c.render(<CataloguePage row={row} path={`${place.path}/catalogue`} isTenant={place.kind === 'tenant'} />, {
        title: TITLE,
        crumbs: place.crumbs,
      })
    })

    app.post(`${address}/catalogue`, async (c) => {
      const place = await placeHere(c)
      const { catalogue } = fieldsOf(c.var.form, z.object({ catalogue: z.string() }))
      const parsed = catalogueInput.safeParse(jsonIn(catalogue, 'catalogue'))
      if (!parsed.success) throw invalid(parsed.error)
      await publishCatalogue(c.var.administration, placeOf(place), wholeCatalogue(parsed.data))
      return done(c, `${place.path}/catalogue`, 'published')
    })

    app.post(`${address}/catalogue/entries`, async (c) => {
      const place = await placeHere(c)
      const given = fieldsOf(c.var.form, newEntry)
      await putCatalogueEntry(c.var.administration, placeOf(place), { ...given, contains: [] })
      return done(c, `${place.path}/catalogue`, 'published')
    })

    app.post(`${address}/catalogue/remove`, async (c) => {
      const place = await placeHere(c)
      const { value } = fieldsOf(c.var.form, z.object({ value: z.string() }))
      await deleteCatalogueEntry(c.var.administration, placeOf(place), value)
      return done(c, `${place.path}/catalogue`, 'entry-removed')
    })

    app.post(`${address}/catalogue/withdraw`, async (c) => {
      const place = await placeHere(c)
      await withdrawCatalogue(c.var.administration, placeOf(place))
      return done(c, `${place.path}/catalogue`, 'withdrawn')
    })
  }
}

const placeOf = (place: PlaceHere): CataloguePlace =>
  place.kind === 'tenant' ? place.scope : { ...place.scope, tenantId: null }

function CataloguePage(props: { row: CatalogueRow | undefined; path: string; isTenant: boolean }) {
  const { row, path, isTenant } = props
  const published = row !== undefined && isPublished(row)
  const kinds = [...BUILT_IN_KINDS, ...(row?.kinds ?? [])].map(({ name }) => name)
  return (
    <>
      <div class="head">
        <h1>{TITLE}</h1>
        <p class="quiet">
          What identity providers may give to users{isTenant ? ', beside what the environment has' : ' of all tenants'}.
          Okta lists it by itself.
        </p>
      </div>
      <Card title="Entries">
        {published ? <Entries entries={row.entries} path={path} /> : <p class="quiet">There are none here.</p>}
        <details class="more">
          <summary>New entry …</summary>
          <NewEntry path={path} kinds={kinds} />
        </details>
      </Card>
      <Card title="The whole catalogue">
        <Form action={path} class="wide" tag={row && entityTag(catalogueState(row))}>
          <label>
            Kinds and entries, as the admin API has them
            <textarea name="catalogue" rows={18} required spellcheck={false}>
              {JSON.stringify(published ? shown(row) : EXAMPLE, null, 2)}
            </textarea>
            <small>Users keep what they have, whatever goes. Who has a value that comes gets the role.</small>
          </label>
          <button type="submit" class="main">
            Publish it
          </button>
        </Form>
        {published && (
          <Action
            action={`${path}/withdraw`}
            label="Withdraw it"
            tone="bad"
            ask="Identity providers see none of it any more, and may give users any value. Users keep what they have."
          />
        )}
      </Card>
    </>
  )
}

function Entries({ entries, path }: { entries: readonly CatalogueEntry[]; path: string }) {
  return (
    <Table
      head={['Kind', 'Value', 'Name', 'What it allows', 'Action']}
      label={counted(entries.length, 'entry', 'entries')}
    >
      {entries.map(({ kind, value, displayName, description, supported }) => (
        <tr>
          <td>{kind}</td>
          <td>
            <code>{value}</code>
          </td>
          <td>
            {displayName} {!supported && <Badge>not given any more</Badge>}
          </td>
          <td class="long">{description}</td>
          <td>
            <Action
              action={`${path}/remove`}
              label="Remove"
              fields={{ value }}
              ask={`Nobody gets “${displayName}” any more. Who has it keeps it.`}
            />
          </td>
        </tr>
      ))}
    </Table>
  )
}

function NewEntry({ path, kinds }: { path: string; kinds: readonly string[] }) {
  return (
    <Form action={`${path}/entries`} class="fields">
      <label>
        Kind
        <select name="kind">
          {kinds.map((kind) => (
            <option>{kind}</option>
          ))}
        </select>
      </label>
      <label>
        Value
        <input name="value" required maxlength={100} autocomplete="off" spellcheck={false} />
        <small>What users have: letters, digits and _ . : -</small>
      </label>
      <label>
        Name
        <input name="displayName" required maxlength={200} />
      </label>
      <label>
        What it allows
        <input name="description" maxlength={1_000} />
      </label>
      <label>
        Whether users can get it
        <select name="supported">
          <option value="true">yes</option>
          <option value="false">no; who has it keeps it</option>
        </select>
      </label>
      <button type="submit" class="main">
        Add it
      </button>
    </Form>
  )
}

const shown = ({ kinds, entries }: CatalogueRow) => ({
  kinds,
  entries: entries.map(({ created, modified, ...entry }) => entry),
})

const EXAMPLE = {
  kinds: [{ name: 'License', endpoint: '/Licenses', attribute: 'entitlements', description: '' }],
  entries: [
    { kind: 'Role', value: 'admin', displayName: 'Administrator', description: 'May change everything.' },
    { kind: 'License', value: 'seat.full', displayName: 'Full seat' },
  ],
}
