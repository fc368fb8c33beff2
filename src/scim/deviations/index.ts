import type { Mode } from './mode.ts'

/** One way in which messages may depart from the strict reading of the RFCs, with both payloads (in Markdown's code marks). */
export interface Leniency {
  readonly sent: string
  readonly readAs: string
  readonly sentBy: string
  readonly modes: readonly Mode[]
}

/** A rule of the draft interoperability profile that is stricter than RFC 7644. */
export interface Restriction {
  readonly effect: string
  readonly modes: readonly Mode[]
}

/**
 * Every deviation by its name. Code asks for a deviation and never for a mode; the page on modes is written from this table.
 */
export const DEVIATIONS = {
  'repeated-spaces': {
    sent: '`userName  eq  "x"`',
    readAs: 'one space (Q-28)',
    sentBy: 'hand-made templates',
    modes: ['lenient'],
  },
  'value-path-comparison': {
    sent: '`emails[type eq "work"].value eq "x"`',
    readAs: '`emails[type eq "work" and value eq "x"]` (Q-27)',
    sentBy: 'Entra ID',
    modes: ['lenient'],
  },
  'single-quoted-strings': {
    sent: "PATCH path `emails[type eq 'work'].value`",
    readAs: '`emails[type eq "work"].value`',
    sentBy: "GitHub's examples",
    modes: ['lenient'],
  },
  'string-booleans': {
    sent: '`"active": "False"`; `roles[primary eq "True"]` in a PATCH path',
    readAs: '`false`; `true` (A-08)',
    sentBy: 'Entra ID, Keycloak',
    modes: ['lenient'],
  },
  'bare-reference': {
    sent: '`"manager": "9f4c"`, `""` or `{"value": ""}`',
    readAs: '`{"value": "9f4c"}`; no manager (X-04)',
    sentBy: 'Entra ID',
    modes: ['lenient'],
  },
  'single-object-list': {
    sent: 'PATCH replace or remove with `{"value": "x"}` for `emails`',
    readAs: '`[{"value": "x"}]` (PAT-11)',
    sentBy: 'OneLogin',
    modes: ['lenient', 'standard'],
  },
  'single-object-list-in-bodies': {
    sent: 'the same in POST and PUT',
    readAs: '`[{"value": "x"}]`',
    sentBy: 'OneLogin',
    modes: ['lenient'],
  },
  'dotted-keys': {
    sent: '`{"name.givenName": "Ann"}` as PATCH value',
    readAs: 'path `name.givenName` (PAT-31)',
    sentBy: 'Entra ID',
    modes: ['lenient'],
  },
  'add-creates': {
    sent: 'add on `emails[type eq "work"].value` without match',
    readAs: 'adds `{"type": "work", "value": …}` (PAT-14)',
    sentBy: 'Entra ID',
    modes: ['lenient', 'standard'],
  },
  'replace-creates': {
    sent: 'replace on it without match',
    readAs: 'the same (PAT-26)',
    sentBy: 'Entra ID with an old cache',
    modes: ['lenient'],
  },
  'remove-by-value': {
    sent: 'remove `members` with `[{"value": "x"}]`',
    readAs: 'removes x alone (PAT-20)',
    sentBy: 'Entra ID, JumpCloud, authentik',
    modes: ['lenient', 'standard', 'interop'],
  },
  'operations-in-any-case': {
    sent: '`"op": "Add"`',
    readAs: '`"add"` (PAT-03)',
    sentBy: 'Entra ID',
    modes: ['lenient', 'standard'],
  },
  'empty-operations': {
    sent: '`"Operations": []`',
    readAs: 'nothing to do (PAT-01)',
    sentBy: "a vendor's test tool",
    modes: ['lenient'],
  },
  'empty-string-clears': {
    sent: 'PATCH add or replace of `title` with `""`',
    readAs: 'no title',
    sentBy: 'Entra ID',
    modes: ['lenient'],
  },
  'missing-schemas': {
    sent: 'a body without `schemas`',
    readAs: 'the base URN, or PatchOp (CR-05)',
    sentBy: 'hand-made templates',
    modes: ['lenient'],
  },
  'partial-replace': {
    sent: 'PUT without `schemas` and without `userName`',
    readAs: 'the stored userName stays (PUT-04)',
    sentBy: 'hand-made templates',
    modes: ['lenient'],
  },
  'unknown-schemas': {
    sent: 'a foreign URN in `schemas`',
    readAs: 'nothing (C-02)',
    sentBy: 'Entra ID on groups, authentik',
    modes: ['lenient'],
  },
  'unknown-attributes-ignored': {
    sent: 'attributes that no schema has, PATCH too',
    readAs: 'nothing (A-19)',
    sentBy: "authentik, GitHub's examples",
    modes: ['lenient'],
  },
  'unknown-attributes-ignored-in-bodies': {
    sent: 'the same in POST and PUT',
    readAs: 'nothing (A-19)',
    sentBy: 'Entra ID, authentik',
    modes: ['lenient', 'standard'],
  },
  'country-names': {
    sent: '`"country": "Germany"`',
    readAs: 'itself (U-11)',
    sentBy: 'directories with free text',
    modes: ['lenient', 'standard'],
  },
  'other-canonical-values': {
    sent: '`"type": "personal"`',
    readAs: 'itself (U-12)',
    sentBy: 'authentik and others',
    modes: ['lenient', 'standard'],
  },
  'free-text-references': {
    sent: '`"profileUrl": "two words"`',
    readAs: 'itself (A-12)',
    sentBy: "Entra ID's validator",
    modes: ['lenient'],
  },
  'deferred-references': {
    sent: 'a member that is no resource of the tenant, where it has `deferReferenceChecks`',
    readAs: 'itself, kept as it was sent (G-05)',
    sentBy: 'clients that push groups before users',
    modes: ['lenient', 'standard'],
  },
  'undeclared-extensions': {
    sent: 'data of an extension that `schemas` does not name',
    readAs: 'data of that extension (C-01)',
    sentBy: 'hand-made templates',
    modes: ['lenient', 'standard', 'interop'],
  },
  'other-ids-ignored': {
    sent: 'PUT with another `id` in the body than in the URL',
    readAs: 'nothing, as for every read-only attribute (PUT-06)',
    sentBy: 'clients that copy a resource',
    modes: ['lenient', 'standard'],
  },
  'integers-as-text': {
    sent: '`"level": "3"` for an integer; `"startIndex": "1"` and `"count": "10"` in `.search`',
    readAs: '`3`; `1` and `10`',
    sentBy: 'clients whose templates hold nothing but text',
    modes: ['lenient'],
  },
  'attribute-names-as-text': {
    sent: '`"attributes": "userName,emails"` in `.search`',
    readAs: '`["userName", "emails"]`',
    sentBy: "SCIM-SDK's client, which writes a body like a query",
    modes: ['lenient'],
  },
  'single-value-in-list': {
    sent: 'PATCH of `emails[type eq "work"]`, or without a path, with `[{"value": "x"}]`',
    readAs: '`{"value": "x"}`',
    sentBy: "SCIM-SDK's client, and clients made from the schema, where `emails` is a list",
    modes: ['lenient'],
  },
  'ascii-charsets': {
    sent: '`charset=us-ascii` or `charset=ISO-8859-1`, and a body that has ASCII alone',
    readAs: 'UTF-8, which is the same bytes',
    sentBy: 'HTTP libraries with a default of their own',
    modes: ['lenient'],
  },
  'doubled-slash': {
    sent: 'two slashes between the base URL and the endpoint',
    readAs: 'one',
    sentBy: 'base URLs that were entered with a slash at the end',
    modes: ['lenient'],
  },
  'external-id-in-schemas': {
    sent: '`GET /Schemas`, and looks there for every attribute that it maps',
    readAs: 'itself; User and Group show `externalId` too, which RFC 7643 §3.1 has no schema list',
    sentBy: "Entra ID's validator",
    modes: ['lenient'],
  },
  'path-required': { effect: 'PATCH operations need a path (IOP-02)', modes: ['interop'] },
  'filter-needs-sub-attribute': {
    effect: '`attr[filter]` in a PATCH path needs `.sub` and matches one value (IOP-03)',
    modes: ['interop'],
  },
  'replace-whole-complex': { effect: 'replace swaps a singular complex attribute whole (IOP-04)', modes: ['interop'] },
  'unknown-names-are-invalid-syntax': {
    effect: 'unknown schema URNs and PATCH paths are invalidSyntax (IOP-05)',
    modes: ['interop'],
  },
} as const satisfies Record<string, Leniency | Restriction>

/** The name of one deviation. */
export type DeviationName = keyof typeof DEVIATIONS

/** The deviations that hold for one request. */
export type Deviations = ReadonlySet<DeviationName>

/**
 * What becomes of attributes that no schema has: what the mode says, or always the same. They are never kept: a
 * resource has the attributes of its schemas (RFC 7643 §3). No client could tell from discovery what others are, nor filter by
 * them. An extension that the tenant registers makes them known ones.
 */
export const UNKNOWN_ATTRIBUTES = ['by-mode', 'ignore', 'refuse'] as const
export type UnknownAttributes = (typeof UNKNOWN_ATTRIBUTES)[number]

const IGNORE_THEM: readonly DeviationName[] = ['unknown-attributes-ignored', 'unknown-attributes-ignored-in-bodies']

const inMode = (mode: Mode): DeviationName[] =>
  Object.entries(DEVIATIONS).flatMap(([name, { modes }]: [string, { readonly modes: readonly Mode[] }]) =>
    modes.includes(mode) ? [name as DeviationName] : [],
  )

const setsOf = (mode: Mode): Readonly<Record<UnknownAttributes, Deviations>> => {
  const all = inMode(mode)
  return {
    'by-mode': Object.freeze(new Set(all)),
    ignore: Object.freeze(new Set([...all, ...IGNORE_THEM])),
    refuse: Object.freeze(new Set(all.filter((name) => !IGNORE_THEM.includes(name)))),
  }
}

const SETS: Readonly<Record<Mode, Readonly<Record<UnknownAttributes, Deviations>>>> = {
  lenient: setsOf('lenient'),
  standard: setsOf('standard'),
  strict: setsOf('strict'),
  interop: setsOf('interop'),
}

/** The deviations of `mode`: the same set every time, not to be changed. */
export const deviationsOf = (mode: Mode, unknownAttributes: UnknownAttributes = 'by-mode'): Deviations =>
  SETS[mode][unknownAttributes]
