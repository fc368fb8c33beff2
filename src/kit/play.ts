import type { JsonObject } from '../scim/resource.ts'
import { type Conversation, type Deed, filled, filledPath, type Step } from '../self-test/conversation.ts'
import { CONVERSATIONS, type IdentityProvider } from '../self-test/conversations/index.ts'
import type { Played, PlayOptions, Scenario } from '../testing/types.ts'
import { newcomer, type Person, personIn } from './people.ts'
import { groupIdIn, groupsOf, idOfGroup, memberOperations, takesWholeLists } from './play-groups.ts'
import { askScim, type ScimAnswer, type ScimTarget } from './scim-client.ts'

/** What an identity provider can be made to play. */
export const SCENARIOS = ['joiner', 'mover', 'leaver', 'big-sync'] as const satisfies readonly Scenario[]

/** The gateway answered otherwise than the identity provider expects; `message` says what. */
export class PlayRefused extends Error {
  override readonly name = 'PlayRefused'
}

/** Where people go who join, and where they move. */
const [FIRST_TEAM, NEXT_TEAM] = ['Engineering', 'Sales']
const BIG_SYNC_USERS = 100

/**
 * Sends what an identity provider sends when somebody joins, moves or leaves, or when it syncs a whole company, in the form of
 * its recorded conversation. Without a scenario one person joins, moves and leaves.
 *
 * @throws {PlayRefused} for an answer that the identity provider would take for a failure
 */
export async function* play(
  target: ScimTarget,
  provider: IdentityProvider,
  scenario?: Scenario,
  options: PlayOptions = {},
): AsyncGenerator<Played> {
  const playing = new Playing(target, CONVERSATIONS[provider])
  if (scenario === 'big-sync') return yield* playing.bigSync(options.users ?? BIG_SYNC_USERS)
  if (scenario === undefined || scenario === 'joiner') {
    const person = newcomer(options.userName)
    yield* playing.joins(person)
    if (scenario === 'joiner') return
    yield* playing.moves(person.userName)
    return yield* playing.leaves(person.userName)
  }
  let userName = options.userName ?? (await playing.newest())
  if (userName === undefined) {
    const person = newcomer()
    yield* playing.joins(person)
    userName = person.userName
  }
  yield* scenario === 'mover' ? playing.moves(userName) : playing.leaves(userName)
}

class Playing {
  readonly #target: ScimTarget
  readonly #conversation: Conversation
  readonly #groups = new Map<string, string>()

  constructor(target: ScimTarget, conversation: Conversation) {
    this.#target = target
    this.#conversation = conversation
  }

  async *joins(person: Person): AsyncGenerator<Played> {
    const known = knownOf(person)
    yield* this.#does(known, 'probe', 'look-up', 'create')
    yield* this.#enters(known, FIRST_TEAM)
  }

  async *moves(userName: string): AsyncGenerator<Played> {
    const { known, groups } = await this.#find(userName)
    yield* this.#does(known, 'change')
    yield* this.#quits(known, groups)
    yield* this.#enters(known, groups.some(({ displayName }) => displayName === NEXT_TEAM) ? FIRST_TEAM : NEXT_TEAM)
  }

  async *leaves(userName: string): AsyncGenerator<Played> {
    const { known, groups } = await this.#find(userName)
    yield* this.#quits(known, groups)
    yield* this.#does(known, 'deactivate', 'read-inactive', 'delete')
  }

  async *bigSync(count: number): AsyncGenerator<Played> {
    const people = Array.from({ length: count }, () => knownOf(newcomer()))
    yield* this.#does(new Map(people[0] ?? []), 'probe')
    for (const known of people) yield* this.#does(known, 'look-up', 'create')
    for (const [i, team] of [FIRST_TEAM, NEXT_TEAM].entries()) {
      const members = people.filter((_, at) => at % 2 === i)
      if (!takesWholeLists(this.#conversation)) for (const known of members) yield* this.#enters(known, team)
      else if (members[0] !== undefined) yield* this.#enters(members[0], team, members.map(idIn))
    }
  }

  /** The `userName` of the active user who was made last; undefined where there is none. */
  async newest(): Promise<string | undefined> {
    const query = 'filter=active+eq+true&sortBy=meta.created&sortOrder=descending&count=1'
    const [found] = await this.#list(`/Users?${query}`)
    return found === undefined ? undefined : String(found.userName)
  }

  async #find(userName: string) {
    const [user] = await this.#list(`/Users?filter=${encodeURIComponent(`userName eq ${JSON.stringify(userName)}`)}`)
    if (user === undefined) throw new PlayRefused(`there is no user ${userName}: play a joiner first`)
    return { known: knownOf(personIn(user)).set('user', String(user.id)), groups: groupsOf(user) }
  }

  /** Puts the user into the group of a team, which is made where it is not there. */
  async *#enters(known: Map<string, string>, team: string, all: readonly string[] = [idIn(known)]) {
    if (this.#steps('add-member').length === 0) return
    known.set('groupName', team)
    const filter = encodeURIComponent(`displayName eq ${JSON.stringify(team)}`)
    const id = this.#groups.get(team) ?? idOfGroup(await this.#list(`/Groups?filter=${filter}`))
    if (id === undefined) yield* this.#does(known, 'create-group')
    else known.set('group', id)
    this.#groups.set(team, groupIdIn(known))
    yield* this.#changesMembers(known, 'add-member', all)
  }

  async *#quits(known: Map<string, string>, groups: readonly { readonly id: string }[]) {
    if (this.#steps('remove-member').length === 0) return
    for (const { id } of groups) yield* this.#changesMembers(known.set('group', id), 'remove-member', [idIn(known)])
  }

  /** Adds or removes members. An identity provider that sends whole lists says who is in the group then. */
  async *#changesMembers(known: Map<string, string>, does: 'add-member' | 'remove-member', ids: readonly string[]) {
    const [step] = this.#steps(does)
    if (step === undefined) return
    if (!takesWholeLists(this.#conversation)) return yield* this.#does(known, does)
    const { body } = await this.#ask({ method: 'GET', path: `/Groups/${groupIdIn(known)}` })
    const before = (Array.isArray(body.members) ? body.members : []).map((member) =>
      String((member as JsonObject).value),
    )
    const rest = before.filter((id) => !ids.includes(id))
    const [adds = step] = this.#steps('add-member')
    // The recorded `remove` of such a client empties the group; what stays is a list again.
    const template = does === 'remove-member' && rest.length > 0 ? adds : step
    const after = does === 'add-member' ? [...rest, ...ids] : rest
    yield await this.#send({ ...template, title: step.title }, known, memberOperations(template, after))
  }

  async *#does(known: Map<string, string>, ...deeds: readonly Deed[]): AsyncGenerator<Played> {
    for (const deed of deeds) for (const step of this.#steps(deed)) yield await this.#send(step, known, step.body)
  }

  #steps(deed: Deed): readonly Step[] {
    return this.#conversation.steps.filter(({ does }) => does === deed)
  }

  async #send(step: Step, known: Map<string, string>, body: JsonObject | undefined): Promise<Played> {
    const { title, method, expect, save, holds } = step
    const path = filledPath(step.path, known) ?? step.path
    const begun = performance.now()
    const answer = await this.#ask({ method, path, body: body && filled(body, known) })
    const request = `${method} ${path.split('?')[0]}`
    if (!expect.includes(answer.status) || holds?.(answer.body) === false)
      throw new PlayRefused(`${title}: ${request} was answered with ${answer.status}${detailOf(answer)}`)
    if (save !== undefined) known.set(save, String(answer.body.id))
    const ms = Math.round(performance.now() - begun)
    return { title, request, status: answer.status, ms, userName: known.get('userName') }
  }

  async #list(path: string): Promise<readonly JsonObject[]> {
    const answer = await this.#ask({ method: 'GET', path })
    if (answer.status !== 200)
      throw new PlayRefused(`GET ${path.split('?')[0]} was answered with ${answer.status}${detailOf(answer)}`)
    return Array.isArray(answer.body.Resources) ? (answer.body.Resources as JsonObject[]) : []
  }

  #ask(request: { method: string; path: string; body?: JsonObject | undefined }): Promise<ScimAnswer> {
    const { agent, type } = this.#conversation
    return askScim(this.#target, { ...request, agent, type })
  }
}

const knownOf = ({ externalId, ...names }: Person): Map<string, string> =>
  new Map([...Object.entries(names), ['run', externalId]])

const idIn = (known: ReadonlyMap<string, string>): string => known.get('user') ?? ''

const detailOf = ({ body: { detail } }: ScimAnswer): string => (typeof detail === 'string' ? `: ${detail}` : '')
