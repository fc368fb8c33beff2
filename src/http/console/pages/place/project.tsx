import { z } from 'zod'
import { createEnvironment } from '../../../../administration/environments.ts'
import { changeProject, createProject, deleteProject } from '../../../../administration/projects.ts'
import { environmentsOf } from '../../../../repositories/control/environments.ts'
import { instanceFor, projectAt } from '../../../control/places.ts'
import { keyText, nameText } from '../../../control/schemas.ts'
import type { ConsoleApp } from '../../env.ts'
import { done, fieldsOf, queryOf } from '../../forms.ts'
import { Badge, Card, cut, Form, Pager, Table } from '../../parts.tsx'
import { CONSOLE, pathTo } from '../../paths.ts'
import { PauseAction } from '../pause.tsx'
import { confirmed, DeleteCard } from './danger.tsx'
import { projectHere } from './here.ts'
import { NameCard } from './settings.tsx'

const PROJECT = '/projects/:project'
const ROWS = 50
const newPlace = z.object({ key: keyText, name: nameText.optional() })

/** The page of a project: its environments, its name, and its end; and how projects and environments are made. */
export function projectPages(app: ConsoleApp): void {
  app.get(PROJECT, async (c) => {
    const { project, path, crumbs, tag } = await projectHere(c)
    const { after } = queryOf(c, z.object({ after: z.uuid().optional(), done: z.string().optional() }))
    const rows = await environmentsOf(c.var.database, project.id).list({ after, limit: ROWS + 1 })
    const { page, last } = cut(rows, ROWS)
    return c.render(
      <>
        <div class="head">
          <h1>{project.name}</h1>
          {project.paused && <Badge tone="warn">paused</Badge>}
          <div class="actions">
            <PauseAction path={path} paused={project.paused} what="project" />
          </div>
          <p class="quiet">
            Project <code>{project.key}</code>
          </p>
        </div>
        <Card title="Environments">
          {page.length === 0 ? (
            <p class="quiet">There are none yet.</p>
          ) : (
            <Table head={['Environment', 'Key', 'State']} label="Environments">
              {page.map(({ key, name, paused }) => (
                <tr>
                  <td class="long">
                    <a href={pathTo(project.key, key)}>{name}</a>
                  </td>
                  <td>
                    <code>{key}</code>
                  </td>
                  <td>{paused ? <Badge tone="warn">paused</Badge> : <Badge tone="good">open</Badge>}</td>
                </tr>
              ))}
            </Table>
          )}
          <Pager next={last && `${path}?after=${last.id}`} first={after && path} />
          <NewPlace action={`${path}/environments`} what="environment" example="prod" />
        </Card>
        <NameCard path={path} kind="project" name={project.name} tag={tag} />
        <DeleteCard action={`${path}/delete`} what="project" named={project.key} loses={LOSES} tag={tag} />
      </>,
      { title: project.key, crumbs },
    )
  })

  app.post(`${PROJECT}/name`, async (c) => {
    const { project, path } = await projectHere(c)
    await changeProject(c.var.administration, project.id, fieldsOf(c.var.form, z.object({ name: nameText })))
    return done(c, path, 'saved')
  })

  app.post(`${PROJECT}/pause`, async (c) => {
    const { project, path } = await projectHere(c)
    const { paused } = fieldsOf(c.var.form, z.object({ paused: z.stringbool() }))
    await changeProject(c.var.administration, project.id, { paused })
    return done(c, path, paused ? 'paused' : 'resumed')
  })

  app.post(`${PROJECT}/delete`, async (c) => {
    instanceFor(c.var.principal.scope)
    const { project } = await projectHere(c)
    confirmed(c, project.key)
    await deleteProject(c.var.administration, project.id)
    return done(c, CONSOLE, 'deleted')
  })

  app.post('/projects', async (c) => {
    instanceFor(c.var.principal.scope)
    const made = await createProject(c.var.administration, fieldsOf(c.var.form, newPlace))
    return done(c, pathTo(made.key), 'project-made')
  })

  app.post(`${PROJECT}/environments`, async (c) => {
    const { project } = await projectAt(c.var, c.req.param())
    const made = await createEnvironment(c.var.administration, project.id, fieldsOf(c.var.form, newPlace))
    return done(c, pathTo(project.key, made.key), 'environment-made')
  })
}

const LOSES = 'Its keys go with it. It must have no environments.'

/** A form for a new project or environment, behind a fold. */
export function NewPlace({ action, what, example }: { action: string; what: string; example: string }) {
  return (
    <details class="more">
      <summary>New {what} …</summary>
      <Form action={action} class="fields">
        <label>
          Key
          <input
            name="key"
            required
            maxlength={64}
            pattern="[A-Za-z0-9][A-Za-z0-9._\-]*"
            autocapitalize="off"
            placeholder={example}
          />
          <small>Stands in base URLs and never changes: letters, digits, “.”, “_” and “-”.</small>
        </label>
        <label>
          Name
          <input name="name" maxlength={200} />
          <small>For people; the key where it is left empty.</small>
        </label>
        <button type="submit" class="main">
          Make the {what}
        </button>
      </Form>
    </details>
  )
}
