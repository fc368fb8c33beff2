import { z } from 'zod'

// What a mapping says, as it is stored and as the admin API takes it. What its paths lead to is checked elsewhere: ./compile.

/** Bounds of one mapping. */
export const MOST_NAMES = 50
const MOST_PARTS = 20
const MOST_NODES = 200
const MOST_LEVELS = 5
const MOST_CASES = 200
const LONGEST_PATH = 500
const LONGEST_TEXT = 300

/** A single value that a mapping gives. */
export type Single = string | number | boolean

/**
 * How one value is made. A text is the path of an attribute, and gives one value. The others are named by their first member:
 *
 * - `all`: every value of an attribute with several, as a list of texts
 * - `first`: of several, the first that there is
 * - `constant`: always the same
 * - `lower`, `upper`: the value in lower or upper case
 * - `choose`: by what a value is, another; without `otherwise`, no value for those that no case names
 * - `split`: a text cut at `by`: one `part` (from 0, or from the end below 0), or without it the list of all
 * - `join`: several values as one text, `with` between
 * - `groups`: names of the user's groups that fit a pattern, as a list; with `keep: star` what stands for its `*`
 */
export type Expression =
  | string
  | { readonly all: string }
  | { readonly first: readonly Expression[] }
  | { readonly constant: Single }
  | { readonly lower: Expression }
  | { readonly upper: Expression }
  | {
      readonly choose: Expression
      readonly cases: Readonly<Record<string, Single>>
      readonly otherwise?: Expression | undefined
    }
  | { readonly split: Expression; readonly by: string; readonly part?: number | undefined }
  | { readonly join: readonly Expression[]; readonly with?: string | undefined }
  | { readonly groups: string; readonly keep?: 'name' | 'star' | undefined }

/** What an application reads of a user, by the names that it gives it. */
export type Mapping = Readonly<Record<string, Expression>>

/** The parts of an expression that are expressions themselves. */
export function partsOf(expression: Expression): readonly Expression[] {
  if (typeof expression === 'string' || 'all' in expression || 'constant' in expression || 'groups' in expression)
    return []
  if ('first' in expression) return expression.first
  if ('join' in expression) return expression.join
  if ('lower' in expression) return [expression.lower]
  if ('upper' in expression) return [expression.upper]
  if ('split' in expression) return [expression.split]
  return expression.otherwise === undefined ? [expression.choose] : [expression.choose, expression.otherwise]
}

const path = z.string('must be the path of an attribute').min(1).max(LONGEST_PATH)
const text = (least: number, most: number) =>
  z
    .string()
    .min(least)
    .max(most)
    .refine((given) => !/[\p{Cc}\p{Cs}]/u.test(given), 'must not have control characters')
const single = z.union([text(0, LONGEST_TEXT), z.number(), z.boolean()], 'must be a text, a number, true or false')
const part = z.lazy(() => expression)
const parts = z.array(part).min(1).max(MOST_PARTS)

/** What stands in each kind of expression, by the member that names the kind. */
const KINDS = {
  all: z.strictObject({ all: path }),
  first: z.strictObject({ first: parts }),
  constant: z.strictObject({ constant: single }),
  lower: z.strictObject({ lower: part }),
  upper: z.strictObject({ upper: part }),
  choose: z.strictObject({
    choose: part,
    cases: z
      .record(text(1, LONGEST_TEXT), single)
      .refine((cases) => Object.keys(cases).length <= MOST_CASES, `must have ${MOST_CASES} cases at the most`),
    otherwise: part.optional(),
  }),
  split: z.strictObject({ split: part, by: text(1, 20), part: z.int().min(-100).max(100).optional() }),
  join: z.strictObject({ join: parts, with: text(0, 20).optional() }),
  groups: z
    .strictObject({ groups: text(1, LONGEST_TEXT), keep: z.enum(['name', 'star']).optional() })
    .refine(({ groups, keep }) => keep !== 'star' || groups.split('*').length === 2, {
      path: ['groups'],
      message: 'must have one "*", since what stands for it is kept',
    }),
} as const
type Kind = keyof typeof KINDS
const NAMES = Object.keys(KINDS) as Kind[]
const WANTED = `must be the path of an attribute, or an object with one of ${NAMES.join(', ')}`

/** An expression. The kind is told first, so that a mistake is named where it stands and not as "none of ten forms fits". */
const expression: z.ZodType<Expression> = z.unknown().transform((given, ctx): Expression => {
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given)
  const kinds = isObject ? NAMES.filter((name) => Object.hasOwn(given, name)) : []
  const [kind, second] = kinds
  if (typeof given !== 'string' && (kind === undefined || second !== undefined)) {
    const both = second === undefined ? '' : `; it has both ${kind} and ${second}`
    ctx.addIssue({ code: 'custom', message: `${WANTED}${both}` })
    return z.NEVER
  }
  const read = (kind === undefined ? path : KINDS[kind]).safeParse(given)
  for (const issue of read.error?.issues ?? []) ctx.addIssue({ ...issue } as Parameters<typeof ctx.addIssue>[0])
  return read.success ? read.data : z.NEVER
})

/** How deep an expression is, and of how many it is made. */
function sizeOf(whole: Expression): { readonly levels: number; readonly nodes: number } {
  const below = partsOf(whole).map(sizeOf)
  return {
    levels: 1 + Math.max(0, ...below.map(({ levels }) => levels)),
    nodes: 1 + below.reduce((sum, { nodes }) => sum + nodes, 0),
  }
}

const NAME = /^[A-Za-z][A-Za-z0-9_]{0,62}$/

/** Levels of objects and lists in what was sent, without recursion: nobody's nesting may exhaust the stack. */
function isShallow(given: unknown): boolean {
  let level: unknown[] = [given]
  // Each expression takes an object, and perhaps a list or cases in it.
  for (let depth = 0; depth <= 2 * (MOST_LEVELS + 2); depth++) {
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []))
    if (level.length === 0) return true
  }
  return false
}

const named = z.record(z.string(), expression).superRefine((all, ctx) => {
  const sizes = Object.entries(all).map(([name, each]) => ({ name, ...sizeOf(each) }))
  const wrong = (message: string, ...at: string[]) => ctx.addIssue({ code: 'custom', message, path: at })
  for (const { name, levels } of sizes) {
    if (!NAME.test(name)) wrong('is no name: it takes a letter, then up to 62 letters, digits and _', name)
    if (levels > MOST_LEVELS) wrong(`must not have more than ${MOST_LEVELS} expressions within each other`, name)
  }
  if (sizes.length > MOST_NAMES) wrong(`must have ${MOST_NAMES} names at the most`)
  if (sizes.reduce((sum, { nodes }) => sum + nodes, 0) > MOST_NODES)
    wrong(`must have ${MOST_NODES} expressions at the most`)
})

/** A whole mapping. An empty one gives nothing, also where the environment has one. */
export const mapping: z.ZodType<Mapping> = z
  .unknown()
  .refine(isShallow, { message: 'is nested too deep', abort: true })
  .pipe(named)
  .meta({
    type: 'object',
    description:
      'What the application reads of a user as `mapped`: names, and how their values are made. A text is the path of an attribute; ' +
      'others are objects with one of `all`, `first`, `constant`, `lower`, `upper`, `choose`, `split`, `join` and `groups`.',
    additionalProperties: { anyOf: [{ type: 'string' }, { type: 'object', additionalProperties: true }] },
  }) as z.ZodType<Mapping>
