import { ANY_CONSOLE, type ClientName, CONSOLES } from '../explanations/clients.ts'
import { explain, type ToExplain } from '../explanations/explain.ts'
import { OPERATOR } from '../explanations/explanation.ts'
import type { Reason } from '../scim/reasons.ts'

/** What a self-test finds that no refusal tells. */
export const FINDINGS = [
  'unreachable',
  'no-key',
  'address-unknown',
  'base-url-of-another-tenant',
  'brake-holds',
  'answer-unexpected',
  'needs-an-earlier-step',
  'out-of-time',
] as const
export type Finding = (typeof FINDINGS)[number]

/** One line of the result. */
export interface SelfTestStep {
  readonly part: 'connection' | 'tenant' | 'conversation'
  readonly title: string
  readonly state: 'passed' | 'failed' | 'skipped'
  /** Method and path below the base URL; null where nothing was sent. */
  readonly request: string | null
  readonly status: number | null
  /** Why it failed or was skipped; null where it passed. */
  readonly reason: Reason | Finding | null
  readonly problem: string | null
  readonly remedy: string | null
  /** The attribute that was wrong, where the refusal names one. */
  readonly field: string | null
}

/** Which step it was; `request` and `status` where something was sent. */
export interface Which extends Pick<SelfTestStep, 'part' | 'title'> {
  readonly request?: string | null
  readonly status?: number | null
}

export const passed = ({ part, title, request = null, status = null }: Which): SelfTestStep => ({
  ...{ part, title, state: 'passed', request, status, reason: null, problem: null, remedy: null, field: null },
})

/** A refusal, in the words of the identity provider's console. */
export function refused(
  { part, title, request = null, status = null }: Which,
  refusal: { readonly status: number } & Pick<ToExplain, 'reason' | 'scimType' | 'detail'>,
  { method, path, client }: { readonly method: string; path: string; client: ClientName | undefined },
): SelfTestStep {
  const { problem, remedy, field = null } = explain({ ...refusal, method, path, client })
  const reason = (refusal.reason ?? null) as Reason | null
  return { part, title, state: 'failed', request, status, reason, problem, remedy, field }
}

/** What was found without a refusal. */
export function found(
  { part, title, request = null, status = null }: Which,
  finding: Finding,
  client: ClientName | undefined,
  state: 'failed' | 'skipped' = 'failed',
): SelfTestStep {
  const { Name, name, url, connection } = client === undefined ? ANY_CONSOLE : CONSOLES[client]
  const words: Record<Finding, readonly [string, string]> = {
    unreachable: [
      'This service could not be reached over HTTP by itself.',
      'Start the self-test through the running service, by its admin API, its console or a link.',
    ],
    'no-key': [
      'No key was given, so nothing was sent to the base URL of the tenant.',
      `Give the key that ${name} uses, to have it tested too.`,
    ],
    'address-unknown': [
      'The tenant allows certain IP addresses alone, and this self-test comes from another one.',
      `Give an address from which ${name} sends, to have it tested against allowedAddresses.`,
    ],
    'base-url-of-another-tenant': [
      `${Name} has the base URL of another project, environment or tenant (${url}).`,
      `Copy the base URL of this tenant, and paste it as ${url} under ${connection}.`,
    ],
    'brake-holds': [
      'The leaver brake holds events, so the application does not hear who has left.',
      `Ask ${OPERATOR} to look at who leaves, and to release the brake.`,
    ],
    'answer-unexpected': [
      'This service answered, but not with what was expected after the steps before.',
      `Give ${OPERATOR} this result: it may be a fault of the service.`,
    ],
    'needs-an-earlier-step': [
      'This step needs what an earlier step should have made.',
      'Mend what the earlier step failed for, and test again.',
    ],
    'out-of-time': ['The self-test had no time left for this step.', 'Test again when the service has less to do.'],
  }
  const [problem, remedy] = words[finding]
  return { part, title, state, request, status, reason: finding, problem, remedy, field: null }
}
