import { z } from 'zod'
import { deleteEnvironment } from '../../../../administration/environments.ts'
import {
  type Difference,
  previewEnvironmentChange,
  previewTenantChange,
} from '../../../../administration/states/previews.ts'
import { deleteTenant } from '../../../../administration/tenants.ts'
import { DEFAULT_TENANT } from '../../../../tenancy/scim-path.ts'
import { DEFAULT_SETTINGS, effectiveSettings } from '../../../../tenancy/settings.ts'
import { environmentAt, projectAt } from '../../../control/places.ts'
import { nameText } from '../../../control/schemas.ts'
import type { ConsoleApp, ConsoleContext } from '../../env.ts'
import { done, fieldsOf, NOTHING_SENT } from '../../forms.ts'
import { Card, Form, Table } from '../../parts.tsx'
import { CONSOLE, pathTo } from '../../paths.ts'
import { changePlace, settingsChange } from './changes.ts'
import { confirmed, DeleteCard } from './danger.tsx'
import { fieldsFor, GROUPS, inWords, SettingField, settingsIn } from './fields.tsx'
import { type PlaceHere, placeHere, rowOf, WITH_SETTINGS } from './here.ts'
import { SettingsCard } from './settings-card.tsx'

/** `…/settings` of environments and tenants: what is in force and where it comes from, to be changed and previewed. */
export function settingsPages(app: ConsoleApp): void {
  for (const address of WITH_SETTINGS) {
    app.get(`${address}/settings`, async (c) => {
      const place = await placeHere(c)
      const { path, crumbs, environment, tag, kind } = place
      const row = rowOf(place)
      return c.render(
        <>
          <h1>Settings</h1>
          <SettingsCard environment={environment.settings} {...(kind === 'tenant' && { tenant: row.settings })} />
          <Card title="More that is set here">
            <ul class="plain">
              <li>
                <a href={`${path}/role-rules`}>Role rules</a>: which groups give which roles
              </li>
              <li>
                <a href={`${path}/mapping`}>Mapping</a>: what the application reads of users
              </li>
              <li>
                <a href={`${path}/catalogue`}>Roles and entitlements</a>: what identity providers may give to users
              </li>
              <li>
                <a href={`${path}/schemas`}>Schemas</a>: extensions and resource types of its own
              </li>
              <li>
                <a href={`${path}/external-issuers`}>External issuers</a>: whether the keys of each can be fetched
              </li>
            </ul>
          </Card>
          <NameCard path={path} kind={kind} name={row.name} tag={tag} />
          <Card title="Change settings">
            <Form action={`${path}/settings`} class="wide" tag={tag}>
              <Fields place={place} />
              <p class="quiet small">A field left empty inherits its value.</p>
              <div class="actions">
                <button type="submit" name="step" value="preview">
                  Preview
                </button>
                <button type="submit" name="step" value="save" class="main">
                  Save
                </button>
              </div>
            </Form>
          </Card>
          {kind === 'tenant' && row.key !== DEFAULT_TENANT && (
            <Card title="Move">
              <p>
                <a href={`${path}/move`}>To another environment, or to another key</a>, and the base URLs from before
              </p>
            </Card>
          )}
          {(kind === 'environment' || row.key !== DEFAULT_TENANT) && (
            <DeleteCard action={`${path}/delete`} what={kind} named={row.key} loses={LOSES[kind]} tag={tag} />
          )}
        </>,
        { title: 'Settings', crumbs },
      )
    })

    app.post(`${address}/settings`, async (c) => {
      const place = await placeHere(c)
      const { step } = fieldsOf(c.var.form, z.object({ step: z.enum(['preview', 'save']) }))
      const settings = settingsChange(place.kind, settingsIn(c.var.form, place.kind))
      if (step === 'preview') return previewPage(c, place, settings)
      await changePlace(c, place, { settings })
      return done(c, `${place.path}/settings`, 'saved')
    })

    app.post(`${address}/name`, async (c) => {
      const place = await placeHere(c)
      await changePlace(c, place, fieldsOf(c.var.form, z.object({ name: nameText })))
      return done(c, `${place.path}/settings`, 'saved')
    })

    app.post(`${address}/delete`, async (c) => {
      const place = await placeHere(c)
      confirmed(c, rowOf(place).key)
      const { projectId, environmentId } = place.scope
      if (place.kind === 'tenant') {
        // To delete takes a key of what is around it, as on the admin API.
        await environmentAt(c.var, c.req.param())
        await deleteTenant(c.var.administration, place.scope, place.tenant.id)
        return done(c, pathTo(place.project.key, place.environment.key), 'deleted')
      }
      await projectAt(c.var, c.req.param())
      await deleteEnvironment(c.var.administration, projectId, environmentId)
      return done(c, CONSOLE, 'deleted')
    })
  }
}

const LOSES = {
  tenant: 'Its people, groups, events, keys and webhooks go with it, and its base URL answers 404.',
  environment: 'Its tenant “default”, its keys and its webhooks go with it. It must have no other tenants.',
} as const

/** A form for the name of a place. */
export function NameCard({ path, kind, name, tag }: { path: string; kind: string; name: string; tag: string }) {
  return (
    <Card title="Name">
      <Form action={`${path}/name`} class="find" tag={tag}>
        <label>
          Name of the {kind}, for people
          <input name="name" value={name} required maxlength={200} />
        </label>
        <button type="submit">Rename</button>
      </Form>
    </Card>
  )
}

function Fields({ place }: { place: PlaceHere }) {
  const { kind, environment } = place
  const own: Readonly<Record<string, unknown>> = rowOf(place).settings
  const above = kind === 'tenant' ? effectiveSettings(environment.settings) : DEFAULT_SETTINGS
  const offered = fieldsFor(kind)
  return (
    <>
      {GROUPS.map(({ title, fields }) => (
        <fieldset class="grid">
          <legend>{title}</legend>
          {fields
            .filter((field) => offered.includes(field))
            .map((field) => (
              <SettingField field={field} own={own[field.name]} above={above[field.name]} />
            ))}
        </fieldset>
      ))}
    </>
  )
}

/** What a change of settings would do, with the way to save it. */
async function previewPage(c: ConsoleContext, place: PlaceHere, settings: ReturnType<typeof settingsChange>) {
  const { database, administration } = c.var
  const reader = database.caller.time ?? c.req.raw
  const { changes } =
    place.kind === 'tenant'
      ? await previewTenantChange(administration, place, { settings }, reader)
      : await previewEnvironmentChange(administration, place.environment, { settings }, { limit: 1 }, reader)
  const sent = [...c.var.form].filter(([name]) => !NOTHING_SENT.has(name) && name !== 'step')
  return c.render(
    <>
      <h1>Preview</h1>
      <Changes changes={changes} />
      <Card title="Save it?">
        <Form action={`${place.path}/settings`} tag={place.tag} class="actions">
          {sent.map(([name, value]) => (
            <input type="hidden" name={name} value={value} />
          ))}
          <button type="submit" name="step" value="save" class="main" disabled={changes.length === 0}>
            Save
          </button>
          <a class="button" href={`${place.path}/settings`}>
            Leave it as it is
          </a>
        </Form>
      </Card>
    </>,
    { title: 'Preview', crumbs: place.crumbs },
  )
}

/** What is in force before and after a change. */
export function Changes({ changes }: { changes: readonly Difference[] }) {
  return (
    <Card title="What changes">
      {changes.length === 0 ? (
        <p class="quiet">Nothing: all of it is so already.</p>
      ) : (
        <Table head={['What', 'In force now', 'After it']} label="What changes">
          {changes.map(({ path, before, after }) => (
            <tr>
              <td>
                <code>{path.replace(/^settings\./, '')}</code>
              </td>
              <td class="long">
                <del>{inWords(before)}</del>
              </td>
              <td class="long">
                <ins>{inWords(after)}</ins>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </Card>
  )
}
