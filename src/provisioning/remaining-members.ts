import { behindLast, type MemberMoves, type MembersPosition } from '../repositories/resources/member-pages.ts'
import { type JsonText, MEMBERS_AT_ONCE, type ResourceRow } from '../repositories/resources/rows.ts'
import type { Repositories } from '../repositories/tenant-scope.ts'
import { ScimError } from '../scim/errors.ts'

/** A group that has more members than its row. */
export interface LargeGroup {
  readonly id: string
  readonly version: number
  /** Behind the members of the row. */
  readonly position: MembersPosition
}

/** The group of a row for which `goesOn` is true. */
export const largeGroup = ({ id, version }: ResourceRow<JsonText>, members: JsonText): LargeGroup => ({
  ...{ id, version, position: behindLast(members) },
})

/** Some of a group's members. */
export interface MembersPart {
  /** JSON texts with commas between them; empty where there are none. */
  readonly elements: string
  /** Whether these are the group's last ones. */
  readonly last: boolean
}

/** Groups that one statement continues: many where each has few more. */
const GROUPS_AT_ONCE = 20

/**
 * The members of large groups that are not in their rows: all of the first, then all of the second, and so on. Each part is read
 * when it is asked for. So a reader holds one part in memory, however large the groups, and no connection while it is slow.
 *
 * A group may change meanwhile. The list is that of the version with which its row was read: who joined since is left out, and
 * who left since is in it, as the log tells.
 *
 * @throws {ScimError} where the log does not tell enough, or the group is gone
 */
export async function* remainingMembers(
  { memberPages }: Pick<Repositories, 'memberPages'>,
  groups: readonly LargeGroup[],
): AsyncGenerator<MembersPart, void> {
  const begun = performance.now()
  const left = groups.map(({ id, version, position }): Progress => ({ id, position, read: version, moved: new Map() }))
  while (left.length > 0) {
    const asked = left.slice(0, GROUPS_AT_ONCE)
    const pages = await memberPages.read(asked)
    const all = pages.reduce((sum, { count }) => sum + count, 0)
    const full = all >= MEMBERS_AT_ONCE
    // A statement that has read as many as it may has probably not come to the end of the last group.
    const ended = full ? pages.findLastIndex(({ count }) => count > 0) : asked.length
    for (const [i, group] of asked.entries()) {
      if (i > ended) break
      const { version, elements } = pages[i] as (typeof pages)[number]
      if (version === undefined) throw changedTooMuch()
      const missed = version === group.read ? '' : await followed(group, version)
      const some = elements === null ? '' : without(elements, group.moved)
      if (elements !== null) group.position = behindLast(elements)
      const last = i < ended
      if (last) left.shift()
      yield { elements: [missed, some].filter((text) => text !== '').join(), last }
    }
  }

  /** Learns what moved up to this version. Gives those who left and are not in the list yet. */
  async function followed(group: Progress, version: number): Promise<string> {
    const moves = memberPages.follows
      ? await memberPages.moves(group.id, group.read, version, performance.now() - begun)
      : undefined
    if (moves === undefined) throw changedTooMuch()
    group.read = version
    const missed = newlyLeft(moves, group.moved).filter((id) => id > group.position.id)
    return missed.length === 0 ? '' : memberPages.named(missed)
  }
}

/** How far a group has been read. */
interface Progress {
  readonly id: string
  position: MembersPosition
  /** The version up to which it is known who moved. */
  read: number
  /** The first move of each member since the version of the list. */
  readonly moved: Map<string, 'joined' | 'left'>
}

/** Adds the moves, of which the first of each member counts. Gives those who were members and have left. */
function newlyLeft(moves: MemberMoves, known: Progress['moved']): string[] {
  const gone: string[] = []
  for (const [id, way] of moves) {
    if (known.has(id)) continue
    known.set(id, way)
    if (way === 'left') gone.push(id)
  }
  return gone
}

/** Members who joined are not to be in the list. Those who left, and came back, are in it already. */
function without(elements: string, moved: Progress['moved']): string {
  if (moved.size === 0) return elements
  const members = JSON.parse(`[${elements}]`) as { value: string }[]
  const staying = members.filter(({ value }) => !moved.has(value))
  return JSON.stringify(staying).slice(1, -1)
}

const changedTooMuch = () =>
  new ScimError(
    503,
    undefined,
    'changed-meanwhile',
    'The group changed too much while its members were being sent; ask again.',
  )
