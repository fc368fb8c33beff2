import type { ClientName } from '../explanations/clients.ts'
import type { JsonObject } from '../scim/resource.ts'
import { type Answered, ask, type Via } from './ask.ts'
import { type Conversation, filled, filledPath, type Step } from './conversation.ts'
import { type Finding, found, passed, refused, type SelfTestStep, type Which } from './findings.ts'
import { selfTestAgent } from './token.ts'

/** Where a request goes: the path of a base URL, and the key for it. */
export interface Target {
  readonly path: string
  readonly key: string
}

/** A request below a base URL. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly body?: JsonObject | undefined
}

const ALL_MS = 20_000
const STEP_MS = 5_000

/** Sends the requests of one self-test as its identity provider would, and notes what came of each. */
export class Player {
  readonly steps: SelfTestStep[] = []
  readonly conversation: Conversation
  readonly #client: ClientName | undefined
  readonly #via: Via
  readonly #host: string
  readonly #endsAt = performance.now() + ALL_MS

  /** @param host of the tenant's base URL */
  constructor(conversation: Conversation, client: ClientName | undefined, via: Via, host: string) {
    this.conversation = conversation
    this.#client = client
    this.#via = via
    this.#host = host
  }

  pass(which: Which): void {
    this.steps.push(passed(which))
  }

  fail(
    which: Which,
    refusal: Parameters<typeof refused>[1],
    { method, path }: Asked = { method: 'GET', path: '' },
  ): void {
    this.steps.push(refused(which, refusal, { method, path, client: this.#client }))
  }

  found(which: Which, finding: Finding, state: 'failed' | 'skipped' = 'failed'): void {
    this.steps.push(found(which, finding, this.#client, state))
  }

  send({ path: base, key }: Target, { method, path, body }: Asked): Promise<Answered> {
    const { agent, type } = this.conversation
    const headers = {
      ...{ Authorization: `Bearer ${key}`, Accept: type, 'User-Agent': selfTestAgent(agent) },
      ...(body === undefined ? {} : { 'Content-Type': type }),
    }
    const leftMs = Math.ceil(Math.max(1, Math.min(STEP_MS, this.#endsAt - performance.now())))
    return ask(this.#via, this.#host, { method, path: base + path, body, headers }, leftMs)
  }

  /** Notes what came of a request; true where it passed. */
  judge(
    named: Pick<Which, 'part' | 'title'>,
    asked: Asked,
    { status, reason, body }: Answered,
    expected: readonly number[],
    isWrong = false,
  ): boolean {
    const which = { ...named, request: `${asked.method} ${decodeURIComponent(asked.path)}`, status: status || null }
    const isExpected = expected.includes(status)
    if (isExpected && !isWrong) this.pass(which)
    else if (status === 0) this.found(which, performance.now() >= this.#endsAt ? 'out-of-time' : 'unreachable')
    else if (status < 400) this.found(which, 'answer-unexpected')
    else {
      const { scimType, detail } = (body ?? {}) as { readonly scimType?: string; readonly detail?: string }
      this.fail(which, { status, reason, scimType, detail }, asked)
    }
    return isExpected && !isWrong
  }

  /** Plays one step of the conversation; `known` has what earlier ones saved, and gets what this one saves. */
  async play(target: Target, step: Step, known: Map<string, string>): Promise<void> {
    const { title, method, expect, save, holds } = step
    const which = { part: 'conversation' as const, title }
    const path = filledPath(step.path, known)
    if (path === undefined) return this.found(which, 'needs-an-earlier-step', 'skipped')
    const answer = await this.send(target, { method, path, body: step.body && filled(step.body, known) })
    const body = (answer.body ?? {}) as JsonObject
    // Without the ids, which are gone when somebody reads this.
    const shown = { method, path: step.path.replaceAll(/\{\{(\w+)\}\}/g, '{$1}') }
    if (!this.judge(which, shown, answer, expect, holds?.(body) === false)) return
    if (save !== undefined) known.set(save, String(body.id))
  }
}
