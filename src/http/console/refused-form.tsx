import { type Context, type Env, Hono } from 'hono'
import { type DefaultTreeAdapterMap, html, parse, parseFragment, serialize, defaultTreeAdapter as tree } from 'parse5'
import { SEE_ERRORS } from '../invalid.ts'
import type { Problem } from '../problem.ts'
import { NOTHING_SENT, TAG_FIELD } from './forms.ts'

type Element = DefaultTreeAdapterMap['element']
type Node = DefaultTreeAdapterMap['node']

/** The pages that forms stand on. */
export interface FormPages {
  /** Where they are mounted. */
  readonly at: string
  ask(request: Request, bindings: unknown): Response | Promise<Response>
}

/** The pages of an app that is mounted at an address; they are put together when the first form is refused. */
export function formPages<E extends Env>(app: Hono<E>, at: string): FormPages {
  let mounted: Hono<E> | undefined
  return {
    at,
    ask(request, bindings) {
      mounted ??= new Hono<E>().route(at, app)
      return mounted.fetch(request, bindings as E['Bindings'])
    },
  }
}

/** What a person can mend in a form: a wrong value, or one that is taken. */
const MENDABLE: ReadonlySet<number> = new Set([400, 409])

/**
 * Answers a form that was refused with the page that it was sent from: what is wrong stands above, and the fields have what was filled
 * in. Passwords are left empty. Undefined where that page does not have the form: then an error page has to do.
 *
 * @param pages asked for that page, with the cookies of the request
 */
export async function refusedForm(c: Context, pages: FormPages, problem: Problem): Promise<Response | undefined> {
  const sent: URLSearchParams | undefined = c.var.form
  const from = senderOf(c, pages.at)
  if (c.req.method !== 'POST' || sent === undefined || from === undefined || !MENDABLE.has(problem.status))
    return undefined
  const page = await pageAt(c, pages, from)
  if (page === undefined) return undefined
  const document = parse(page)
  const elements = [...elementsIn(document)]
  const form = formThatSent(elements, c.req.path, sent)
  const main = elements.find(({ tagName }) => tagName === 'main')
  if (form === undefined || main === undefined) return undefined
  fill(form, sent)
  mark(form, problem.errors ?? [])
  const refused = parseFragment(String(await (<Refused problem={problem} />)))
  const first = main.childNodes.find((node) => tree.isElementNode(node) && node.tagName !== 'nav')
  for (const node of [...refused.childNodes]) {
    if (first === undefined) tree.appendChild(main, node)
    else tree.insertBefore(main, node, first)
  }
  for (const around of ancestorsOf(form)) if (around.tagName === 'details') set(around, 'open', '')
  const title = elements.find(({ tagName }) => tagName === 'title')?.childNodes[0]
  if (title && tree.isTextNode(title)) title.value = `Refused: ${title.value}`
  return c.html(serialize(document), problem.status as 400)
}

/** The page that a form says it was sent from, where that is one of ours. */
function senderOf(c: Context, at: string): string | undefined {
  const referrer = c.req.header('referer')
  if (referrer === undefined || !URL.canParse(referrer)) return undefined
  const { pathname, searchParams } = new URL(referrer)
  // What was done before the page came up is no news any more.
  searchParams.delete('done')
  return pathname === at || pathname.startsWith(`${at}/`) ? `${pathname}?${searchParams}` : undefined
}

async function pageAt(c: Context, pages: FormPages, address: string): Promise<string | undefined> {
  const headers = new Headers(c.req.raw.headers)
  for (const name of ['content-type', 'content-length', 'transfer-encoding']) headers.delete(name)
  const request = new Request(new URL(address, c.req.url), { headers, signal: c.req.raw.signal })
  const answer = await pages.ask(request, c.env)
  return answer.status === 200 ? answer.text() : undefined
}

/** What is wrong, before everything else on the page. */
function Refused({ problem: { detail, errors = [] } }: { problem: Problem }) {
  const more = errors.filter(({ message }) => !detail.includes(message))
  return (
    <section class="warning bad" role="alert">
      <p>
        <b>Nothing was saved.</b> {detail === SEE_ERRORS ? 'This cannot be accepted:' : detail}
      </p>
      {more.length > 0 && (
        <ul>
          {more.map(({ path, message }) => (
            <li>
              <code>{path}</code> {message}
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

/** Of the forms with that action, the one that has most of the fields that were sent. */
function formThatSent(elements: readonly Element[], action: string, sent: URLSearchParams): Element | undefined {
  const forms = elements.filter((element) => element.tagName === 'form' && get(element, 'action') === action)
  const known = (form: Element) => controlsOf(form).filter((control) => sent.has(get(control, 'name') ?? '')).length
  return forms.sort((a, b) => known(b) - known(a))[0]
}

const controlsOf = (form: Element): Element[] =>
  [...elementsIn(form)].filter(({ tagName }) => ['input', 'select', 'textarea'].includes(tagName))

/** Puts what was sent into the fields of a form. */
function fill(form: Element, sent: URLSearchParams): void {
  const left = new Map([...new Set(sent.keys())].map((name) => [name, sent.getAll(name)]))
  for (const control of controlsOf(form)) {
    const name = get(control, 'name') ?? ''
    const values = left.get(name) ?? []
    const type = control.tagName === 'input' ? (get(control, 'type') ?? 'text') : control.tagName
    switch (type) {
      case 'hidden':
        // The change was made upon what its page had shown, and is judged by that when it is sent again.
        if (name === TAG_FIELD && values[0] !== undefined) set(control, 'value', values[0])
        break
      case 'password':
        break
      case 'checkbox':
      case 'radio':
        toggle(control, 'checked', values.includes(get(control, 'value') ?? 'on'))
        break
      case 'select':
        for (const option of elementsIn(control))
          if (option.tagName === 'option') toggle(option, 'selected', values.includes(sentBy(option)))
        break
      case 'textarea':
        control.childNodes = []
        tree.insertText(control, values.shift() ?? '')
        break
      default:
        set(control, 'value', values.shift() ?? '')
    }
  }
}

/** Ties each mistake to the field that it is about, and leads the keyboard to the first. */
function mark(form: Element, mistakes: NonNullable<Problem['errors']>): void {
  const controls = controlsOf(form)
  mistakes.forEach(({ path, message }, i) => {
    const control = controls.find((one) => isAbout(path, get(one, 'name') ?? ''))
    if (control === undefined || get(control, 'aria-invalid') !== undefined) return
    const id = `mistake-${i}`
    set(control, 'aria-invalid', 'true')
    set(control, 'aria-describedby', id)
    if (!controls.some((one) => get(one, 'autofocus') !== undefined)) set(control, 'autofocus', '')
    const attrs = [
      { name: 'id', value: id },
      { name: 'class', value: 'mistake' },
    ]
    const note = tree.createElement('small', html.NS.HTML, attrs)
    tree.insertText(note, message)
    const parent = control.parentNode as Element
    const next = parent.childNodes[parent.childNodes.indexOf(control) + 1]
    if (next === undefined) tree.appendChild(parent, note)
    else tree.insertBefore(parent, note, next)
  })
}

const isAbout = (path: string, name: string): boolean => {
  const own = path.replace(/^settings\./, '')
  return name !== '' && !NOTHING_SENT.has(name) && (own === name || own.startsWith(`${name}.`))
}

function* elementsIn(node: Node): Generator<Element> {
  for (const child of 'childNodes' in node ? node.childNodes : []) {
    if (tree.isElementNode(child)) yield child
    yield* elementsIn(child)
  }
}

function* ancestorsOf(element: Element): Generator<Element> {
  for (let node: Node | null = element.parentNode; node !== null && tree.isElementNode(node); node = node.parentNode)
    yield node
}

const get = (element: Element, name: string): string | undefined =>
  element.attrs.find((attribute) => attribute.name === name)?.value

function set(element: Element, name: string, value: string): void {
  element.attrs = [...element.attrs.filter((attribute) => attribute.name !== name), { name, value }]
}

function toggle(element: Element, name: string, on: boolean): void {
  if (on) set(element, name, '')
  else element.attrs = element.attrs.filter((attribute) => attribute.name !== name)
}

/** What an option sends: its value, or else its text. */
const sentBy = (option: Element): string =>
  get(option, 'value') ??
  option.childNodes
    .map((child) => ('value' in child ? child.value : ''))
    .join('')
    .trim()
