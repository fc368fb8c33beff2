import { Hono } from 'hono'
import { Marked, servePage } from '../../page.tsx'
import type { ApiDocument } from './openapi.ts'
import { Shape } from './schema-shape.tsx'

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const

type PathItem = NonNullable<ApiDocument['paths']>[string]
type Operation = NonNullable<PathItem['get']>
interface Route {
  readonly method: (typeof METHODS)[number]
  readonly path: string
  readonly operation: Operation
}

/** `/api/docs`: the reference of the admin API, made from its OpenAPI document. Plain HTML without a script. */
export function referencePage(document: () => ApiDocument): Hono {
  const reference = new Hono()
  reference.get(
    '/api/docs',
    servePage(() => ({ title: 'Admin API', content: <Reference document={document()} /> })),
  )
  return reference
}

function Reference({ document }: { document: ApiDocument }) {
  const base = document.servers?.[0]?.url ?? ''
  const routes = routesByTag(document)
  const schemas = Object.entries(document.components?.schemas ?? {})
  return (
    <>
      <h1>{document.info.title}</h1>
      <p>
        Below <code>{base}</code>, with <code>Authorization: Bearer &lt;key&gt;</code>. Refusals are problem details
        (RFC 9457). The same as <a href={`${base}/openapi.json`}>OpenAPI {document.openapi}</a>.
      </p>
      {(document.info.description ?? '').split('\n\n').map((paragraph) => (
        <p>
          <Marked text={paragraph} />
        </p>
      ))}
      <nav aria-label="Contents">
        {[...routes].map(([tag, found]) => (
          <>
            <h2>
              <a href={`#tag-${idOf(tag)}`}>{tag}</a>
            </h2>
            <ul>
              {found.map((route) => (
                <li>
                  <a href={`#${anchorOf(route)}`}>
                    <Method route={route} /> {route.operation.summary ?? route.path}
                  </a>
                </li>
              ))}
            </ul>
          </>
        ))}
      </nav>
      {[...routes].map(([tag, found]) => (
        <section id={`tag-${idOf(tag)}`}>
          <h2>{tag}</h2>
          <p>{document.tags?.find(({ name }) => name === tag)?.description}</p>
          {found.map((route) => (
            <RouteSection route={route} />
          ))}
        </section>
      ))}
      <section id="schemas">
        <h2>Schemas</h2>
        {schemas.map(([name, schema]) => (
          <article id={`schema-${name}`} class="wide">
            <h3>{name}</h3>
            <Shape schema={schema} />
          </article>
        ))}
      </section>
    </>
  )
}

function RouteSection({ route }: { route: Route }) {
  const { path, operation } = route
  const parameters = (operation.parameters ?? []).filter((parameter) => 'name' in parameter)
  const body = operation.requestBody && 'content' in operation.requestBody ? operation.requestBody : undefined
  return (
    <article id={anchorOf(route)} class="wide">
      <h3>{operation.summary ?? path}</h3>
      <p>
        <Method route={route} /> <code>{path}</code>
        {operation.operationId && <span class="quiet"> · {operation.operationId}</span>}
      </p>
      {operation.description && (
        <p>
          <Marked text={operation.description} />
        </p>
      )}
      {parameters.length > 0 && (
        <table>
          <tbody>
            {parameters.map((parameter) => (
              <tr>
                <td>
                  <code>{parameter.name}</code> <span class="quiet">{parameter.in}</span>
                </td>
                <td>
                  <Shape schema={parameter.schema} description={parameter.description} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {body && (
        <>
          <h4>Body{body.required ? '' : ', which may be left out'}</h4>
          {Object.values(body.content).map(({ schema, example }) => (
            <>
              <Shape schema={schema} />
              <Example value={example} />
            </>
          ))}
        </>
      )}
      <h4>Answers</h4>
      <table>
        <tbody>
          {Object.entries(operation.responses ?? {}).map(([status, response]) => (
            <tr>
              <td>
                <code>{status}</code>
              </td>
              <td>
                {response.description}
                {headersOf(response).map(([name, { description }]) => (
                  <div>
                    <code>{name}</code> <span class="quiet">header</span> · <Marked text={description ?? ''} />
                  </div>
                ))}
                {mediaOf(response).map(({ schema, example }) => (
                  <div>
                    <Shape schema={schema} />
                    <Example value={example} />
                  </div>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </article>
  )
}

/** A value as it stands in a body: JSON, or the text of a stream. */
function Example({ value }: { value: unknown }) {
  if (value === undefined) return null
  return (
    <details>
      <summary>Example</summary>
      <pre>{typeof value === 'string' ? value : JSON.stringify(value, null, 2)}</pre>
    </details>
  )
}

interface Media {
  readonly schema?: unknown
  readonly example?: unknown
}
const mediaOf = ({ content = {} }: { content?: Readonly<Record<string, Media>> }): Media[] => Object.values(content)

const Method = ({ route: { method } }: { route: Route }) => (
  <span class={`method ${method}`}>{method.toUpperCase()}</span>
)

function routesByTag(document: ApiDocument): ReadonlyMap<string, readonly Route[]> {
  const byTag = new Map<string, Route[]>((document.tags ?? []).map(({ name }) => [name, []]))
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const method of METHODS) {
      const operation = item[method]
      if (operation === undefined) continue
      const tag = operation.tags?.[0] ?? 'Other'
      byTag.set(tag, [...(byTag.get(tag) ?? []), { method, path, operation }])
    }
  }
  return byTag
}

const idOf = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
const anchorOf = ({ method, path }: Route): string => idOf(`${method}${path}`)

interface Header {
  readonly description?: string
}
const headersOf = ({ headers = {} }: { headers?: Readonly<Record<string, Header>> }) => Object.entries(headers)
