import type { Mode } from './mode.ts'

/**
 * Every way in which a tenant's messages may depart from the strict reading of the RFCs. Code asks for a deviation by its
 * name and never for a mode; the modes are the columns below (L lenient, S standard, X strict, I interop).
 *
 * | name | what is sent | what it is read as | who sends it | modes |
 * |---|---|---|---|---|
 * | repeated-spaces | `userName  eq  "x"` | one space (Q-28) | hand-made templates | L |
 * | value-path-comparison | `emails[type eq "work"].value eq "x"` | `emails[type eq "work" and value eq "x"]` (Q-27) | Entra ID | L |
 * | single-quoted-strings | PATCH path `emails[type eq 'work'].value` | `emails[type eq "work"].value` | GitHub's examples | L |
 * | string-booleans | `"active": "False"`; `roles[primary eq "True"]` in a PATCH path | `false`; `true` (A-08) | Entra ID, Keycloak | L |
 * | bare-reference | `"manager": "9f4c"`, `""` or `{"value": ""}` | `{"value": "9f4c"}`; no manager (X-04) | Entra ID | L |
 * | single-object-list | PATCH replace or remove with `{"value": "x"}` for `emails` | `[{"value": "x"}]` (PAT-11) | OneLogin | L S |
 * | single-object-list-in-bodies | the same in POST and PUT | `[{"value": "x"}]` | OneLogin | L |
 * | dotted-keys | `{"name.givenName": "Ann"}` as PATCH value | path `name.givenName` (PAT-31) | Entra ID | L |
 * | add-creates | add on `emails[type eq "work"].value` without match | adds `{"type": "work", "value": …}` (PAT-14) | Entra ID | L S |
 * | replace-creates | replace on it without match | the same (PAT-26) | Entra ID with an old cache | L |
 * | remove-by-value | remove `members` with `[{"value": "x"}]` | removes x alone (PAT-20) | Entra ID, JumpCloud, authentik | L S I |
 * | operations-in-any-case | `"op": "Add"` | `"add"` (PAT-03) | Entra ID | L S |
 * | empty-operations | `"Operations": []` | nothing to do (PAT-01) | a vendor's test tool | L |
 * | empty-string-clears | PATCH add or replace of `title` with `""` | no title | Entra ID | L |
 * | missing-schemas | a body without `schemas` | the base URN, or PatchOp (CR-05) | hand-made templates | L |
 * | partial-replace | PUT without `schemas` and without `userName` | the stored userName stays (PUT-04) | hand-made templates | L |
 * | unknown-schemas | a foreign URN in `schemas` | nothing (C-02) | Entra ID on groups, authentik | L |
 * | unknown-attributes-ignored | attributes that no schema has, PATCH too | nothing (A-19) | authentik, GitHub's examples | L |
 * | unknown-attributes-ignored-in-bodies | the same in POST and PUT | nothing (A-19) | Entra ID, authentik | L S |
 * | country-names | `"country": "Germany"` | itself (U-11) | directories with free text | L S |
 * | other-canonical-values | `"type": "personal"` | itself (U-12) | authentik and others | L S |
 * | free-text-references | `"profileUrl": "two words"` | itself (A-12) | Entra ID's validator | L |
 *
 * The draft interoperability profile is stricter than RFC 7644 in places; these hold under it alone:
 *
 * | name | effect | modes |
 * |---|---|---|
 * | path-required | PATCH operations need a path (IOP-02) | I |
 * | filter-needs-sub-attribute | `attr[filter]` in a PATCH path needs `.sub` and matches one value (IOP-03) | I |
 * | replace-whole-complex | replace swaps a singular complex attribute whole (IOP-04) | I |
 * | unknown-names-are-invalid-syntax | unknown schema URNs and PATCH paths are invalidSyntax (IOP-05) | I |
 */
const MODES_OF = {
  'repeated-spaces': ['lenient'],
  'value-path-comparison': ['lenient'],
  'single-quoted-strings': ['lenient'],
  'string-booleans': ['lenient'],
  'bare-reference': ['lenient'],
  'single-object-list': ['lenient', 'standard'],
  'single-object-list-in-bodies': ['lenient'],
  'dotted-keys': ['lenient'],
  'add-creates': ['lenient', 'standard'],
  'replace-creates': ['lenient'],
  'remove-by-value': ['lenient', 'standard', 'interop'],
  'operations-in-any-case': ['lenient', 'standard'],
  'empty-operations': ['lenient'],
  'empty-string-clears': ['lenient'],
  'missing-schemas': ['lenient'],
  'partial-replace': ['lenient'],
  'unknown-schemas': ['lenient'],
  'unknown-attributes-ignored': ['lenient'],
  'unknown-attributes-ignored-in-bodies': ['lenient', 'standard'],
  'country-names': ['lenient', 'standard'],
  'other-canonical-values': ['lenient', 'standard'],
  'free-text-references': ['lenient'],
  'path-required': ['interop'],
  'filter-needs-sub-attribute': ['interop'],
  'replace-whole-complex': ['interop'],
  'unknown-names-are-invalid-syntax': ['interop'],
} as const satisfies Record<string, readonly Mode[]>

/** The name of one deviation; the table in this file says what each means. */
export type DeviationName = keyof typeof MODES_OF

/** The deviations that hold for one request. */
export type Deviations = ReadonlySet<DeviationName>

const inMode = (mode: Mode): Deviations =>
  Object.freeze(
    new Set(
      Object.entries(MODES_OF).flatMap(([name, modes]: [string, readonly Mode[]]) =>
        modes.includes(mode) ? [name as DeviationName] : [],
      ),
    ),
  )

const SETS: Readonly<Record<Mode, Deviations>> = {
  lenient: inMode('lenient'),
  standard: inMode('standard'),
  strict: inMode('strict'),
  interop: inMode('interop'),
}

/** The deviations of `mode`: the same set every time, not to be changed. */
export const deviationsOf = (mode: Mode): Deviations => SETS[mode]
