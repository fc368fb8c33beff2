/** One thing that is wrong, by the path of the member that has it (`settings.mode`). */
export interface Mistake {
  readonly path: string
  readonly message: string
}

/** 410 is for what was there once and is not kept for ever. */
type RefusalStatus = 400 | 403 | 404 | 409 | 410 | 412 | 422

/** A refusal that the operator should read; http/problem and the command line turn it into words. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: RefusalStatus
  readonly mistakes: readonly Mistake[]

  constructor(status: RefusalStatus, detail: string, mistakes: readonly Mistake[] = []) {
    super(detail)
    this.status = status
    this.mistakes = mistakes
  }

  static notFound = (kind: string, name: string) => new Refusal(404, `There is no ${kind} "${name.slice(0, 64)}" here.`)
  static badKey = (message: string) => new Refusal(400, `The key ${message}.`, [{ path: 'key', message }])
  static keyTaken = (kind: string, key: string) => {
    const message = `is taken: there is a ${kind} "${key}" already (letter case does not count)`
    return new Refusal(409, `The key ${message}.`, [{ path: 'key', message }])
  }
  static keyIsFormer = (key: string) => {
    const message = `is taken: it still leads to a tenant that has moved away, until its time is over or an administrator ends that`
    return new Refusal(409, `The key "${key}" ${message}.`, [{ path: 'key', message }])
  }
  static keyIsEndpoint = (key: string) => {
    const message = `is taken: a resource type of the environment has the endpoint "/${key}" (letter case does not count)`
    return new Refusal(409, `The key ${message}.`, [{ path: 'key', message }])
  }
}

/** A part of what was changed, and what it is now. */
export interface ChangedPart {
  readonly path: string
  readonly now: unknown
}

/** 412: somebody else has changed it since the caller read it (RFC 9110 §13.1.1). */
export class Changed extends Refusal {
  readonly changed: readonly ChangedPart[]
  /** The tag of the state that there is now; undefined where there is nothing any more. */
  readonly tag: string | undefined

  /** @param changed what differs from what the caller has read; none where that cannot be told */
  constructor(changed: readonly ChangedPart[], tag: string | undefined) {
    const which = changed.length === 0 ? '' : `: ${changed.map(({ path }) => path).join(', ')}`
    const mistakes = changed.map(({ path, now }) => ({ path, message: `is ${JSON.stringify(now ?? null)} now` }))
    super(
      412,
      `It was changed since you read it${which}. Nothing was done; read it again, and repeat your change.`,
      mistakes,
    )
    this.tag = tag
    this.changed = changed.map(({ path, now }) => ({ path, now: now ?? null }))
  }
}
