import { Refusal } from '../../../../administration/refusal.ts'
import { UNKNOWN_ATTRIBUTES } from '../../../../scim/deviations/index.ts'
import { MODES } from '../../../../scim/deviations/mode.ts'
import { REQUEST_LOG_MODES, type Settings } from '../../../../tenancy/settings.ts'

/** How a setting is filled in: a choice, a number, lines of text, or JSON. */
type Kind =
  | { readonly kind: 'switch' }
  | { readonly kind: 'choice'; readonly of: readonly string[] }
  | { readonly kind: 'number'; readonly unlimited?: true }
  | { readonly kind: 'lines' }
  | { readonly kind: 'json'; readonly example: string }

interface Field {
  readonly name: Exclude<keyof Settings, 'roleRules' | 'mapping'>
  readonly help: string
  /** A setting of environments alone. */
  readonly ofEnvironment?: true
  readonly is: Kind
}

const is = {
  yesNo: { kind: 'switch' } as const,
  number: { kind: 'number' } as const,
  limit: { kind: 'number', unlimited: true } as const,
  one: (...of: readonly string[]) => ({ kind: 'choice', of }) as const,
}

/** The settings that have fields, under the headings of the page; role rules and the mapping have pages of their own. */
export const GROUPS: readonly { readonly title: string; readonly fields: readonly Field[] }[] = [
  {
    title: 'What is provisioned',
    fields: [
      { name: 'userSync', is: is.yesNo, help: 'Whether users are provisioned.' },
      { name: 'groupSync', is: is.yesNo, help: 'Whether groups are provisioned.' },
      { name: 'whenSyncIsOff', is: is.one('refuse', 'empty'), help: 'What a query finds where that is off.' },
      { name: 'agents', is: is.yesNo, help: 'Whether there are AI agents, at /Agents (as of a draft).' },
      { name: 'uniqueGroupNames', is: is.yesNo, help: 'Whether two groups may not share a displayName.' },
      { name: 'maxActiveUsers', is: is.limit, help: 'Seats: how many users may be active. A number, or “unlimited”.' },
      { name: 'onDelete', is: is.one('remove', 'deactivate'), help: 'What a DELETE of a user does.' },
      { name: 'keepDeletedDays', is: is.number, help: 'For how many days deleted users are kept, where they are.' },
      {
        name: 'adoption',
        help: 'When a user is the same person as an account of the application, and what is done then, as JSON.',
        is: { kind: 'json', example: '{"sameBy": ["externalId"], "match": "queue", "existingUser": "adopt"}' },
      },
    ],
  },
  {
    title: 'How identity providers are read',
    fields: [
      { name: 'mode', is: is.one(...MODES), help: 'How far to depart from the RFCs for a client’s sake.' },
      {
        name: 'unknownAttributes',
        is: is.one(...UNKNOWN_ATTRIBUTES),
        help: 'What becomes of attributes that no schema has.',
      },
      {
        name: 'password',
        is: is.one('hash', 'drop', 'refuse'),
        help: 'What becomes of a password that a client sends.',
      },
      { name: 'rootQueries', is: is.yesNo, help: 'Whether queries over all types at the base URL are answered.' },
      { name: 'deferReferenceChecks', is: is.yesNo, help: 'Whether members that do not exist yet are accepted.' },
      { name: 'anonymousDiscovery', is: is.yesNo, help: 'Whether discovery answers without a key.' },
    ],
  },
  {
    title: 'Who may send',
    fields: [
      { name: 'basicAuthentication', is: is.yesNo, help: 'Whether API keys are taken by HTTP Basic too.' },
      {
        name: 'allowedAddresses',
        is: { kind: 'lines' },
        help: 'Addresses and networks (CIDR), one a line; none: all.',
      },
      { name: 'requestsPerSecond', is: is.limit, help: 'For each instance: 25 or more, or “unlimited”.' },
      {
        name: 'externalIssuers',
        help: 'Whose JWTs are taken in the place of keys, as JSON.',
        is: {
          kind: 'json',
          example:
            '[{"name": "acme-idp", "issuer": "https://idp.acme.example", "audience": "…", "jwksUri": "https://…", ' +
            '"algorithms": ["RS256"], "permissions": {"claim": "scope", "values": {"scim": ["scim:read"]}}}]',
        },
      },
      {
        name: 'logoutIssuers',
        help: 'Who may end sessions of users at the logout URL, as JSON.',
        is: {
          kind: 'json',
          example:
            '[{"name": "okta", "issuer": "https://acme.okta.com", "jwksUri": "https://acme.okta.com/oauth2/v1/keys"}]',
        },
      },
    ],
  },
  {
    title: 'Sign-in',
    fields: [
      {
        name: 'signInAttribute',
        is: is.one('externalId', 'userName', 'email'),
        help: 'By which a person who signs in is found.',
      },
      {
        name: 'allowNotProvisioned',
        is: is.yesNo,
        help: 'Whether people may sign in whom the directory does not know.',
      },
    ],
  },
  {
    title: 'Safety and retention',
    fields: [
      {
        name: 'leaverBrake',
        help: 'What is done when too many people leave at a time, as JSON.',
        is: { kind: 'json', example: '{"mode": "hold", "percent": 10, "windowMinutes": 60}' },
      },
      { name: 'createUnknownTenants', is: is.yesNo, ofEnvironment: true, help: 'Whether a first use makes a tenant.' },
      { name: 'eventRetentionDays', is: is.number, ofEnvironment: true, help: 'For how many days events are kept.' },
      { name: 'history', is: is.yesNo, help: 'Whether it is kept who had which access at any time, from now on.' },
      {
        name: 'historyRetentionDays',
        is: is.number,
        ofEnvironment: true,
        help: 'For how many days the history keeps what is over.',
      },
    ],
  },
  {
    title: 'Provisioning log and set-up portal',
    fields: [
      { name: 'requestLog', is: is.one(...REQUEST_LOG_MODES), help: 'Which requests of identity providers are kept.' },
      { name: 'requestLogBodyBytes', is: is.number, help: 'How much of each body is kept: 65,536 bytes at most.' },
      { name: 'requestLogDays', is: is.number, ofEnvironment: true, help: 'For how many days requests are kept.' },
      {
        name: 'setupPortal',
        ofEnvironment: true,
        help: 'Name and colour of the set-up portal, and whose pages may show it in a frame, as JSON.',
        is: {
          kind: 'json',
          example: '{"name": "Acme Cloud", "colour": "#2457c5", "frameAncestors": ["https://app.example.com"]}',
        },
      },
    ],
  },
]

/** The fields of an environment, or of a tenant. */
export const fieldsFor = (kind: 'environment' | 'tenant'): readonly Field[] =>
  GROUPS.flatMap(({ fields }) => fields).filter(({ ofEnvironment }) => kind === 'environment' || !ofEnvironment)

/** One setting to be filled in. @param own what the place sets itself; undefined where it inherits `above` */
export function SettingField({ field, own, above }: { field: Field; own: unknown; above: unknown }) {
  const { name, help, is } = field
  return (
    <div class="field">
      <label for={name}>
        <code>{name}</code>
      </label>
      <Control field={field} own={own} above={above} />
      <small class="quiet">
        {help} {is.kind === 'json' && <>Such as {is.example}.</>}
      </small>
    </div>
  )
}

function Control({ field: { name, is }, own, above }: { field: Field; own: unknown; above: unknown }) {
  const inherited = `inherited: ${inWords(above)}`
  const text = own === undefined ? '' : String(own)
  switch (is.kind) {
    case 'switch':
    case 'choice':
      return (
        <select id={name} name={name}>
          <option value="" selected={own === undefined}>
            {inherited}
          </option>
          {(is.kind === 'switch' ? ['true', 'false'] : is.of).map((value) => (
            <option value={value} selected={text === value}>
              {is.kind === 'switch' ? inWords(value === 'true') : value}
            </option>
          ))}
        </select>
      )
    case 'number':
      return <input id={name} name={name} value={text} placeholder={inherited} autocomplete="off" />
    case 'lines':
    case 'json':
      return (
        <textarea id={name} name={name} rows={own === undefined ? 2 : 6} spellcheck={false} placeholder={inherited}>
          {own === undefined ? '' : is.kind === 'lines' ? (own as string[]).join('\n') : JSON.stringify(own, null, 2)}
        </textarea>
      )
  }
}

/** A value of a setting as people read it. */
export function inWords(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map((one) => one.name ?? inWords(one)).join('; ')
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([name, one]) => `${name} ${inWords(one)}`)
    .join(', ')
}

/**
 * What the fields of a form say, as a change of settings: a field left empty takes its setting back to what is inherited.
 *
 * @throws {Refusal} 400 for what is no JSON
 */
export function settingsIn(form: URLSearchParams, kind: 'environment' | 'tenant'): Record<string, unknown> {
  return Object.fromEntries(
    fieldsFor(kind).map(({ name, is }) => [name, valueIn((form.get(name) ?? '').trim(), name, is)]),
  )
}

function valueIn(text: string, name: string, is: Kind): unknown {
  if (text === '') return null
  switch (is.kind) {
    case 'switch':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'choice':
      return text
    case 'number':
      return /^-?[\d.]+$/.test(text) ? Number(text) : text
    case 'lines':
      return text.split(/[\r\n]+/).flatMap((line) => (line.trim() === '' ? [] : [line.trim()]))
    case 'json':
      return jsonIn(text, `settings.${name}`)
  }
}

/** JSON that was written into a form. @throws {Refusal} 400 */
export function jsonIn(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const message = `is no JSON: ${(error as Error).message}`
    throw new Refusal(400, `${path} ${message}.`, [{ path, message }])
  }
}
