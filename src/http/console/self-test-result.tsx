import type { SelfTestStep } from '../../self-test/findings.ts'
import type { SelfTestResult } from '../../self-test/self-test.ts'
import { Badge, Card, counted, Table, type Tone } from './parts.tsx'

const TONES: Readonly<Record<SelfTestStep['state'], Tone>> = { passed: 'good', failed: 'bad', skipped: 'plain' }

const PARTS: Readonly<Record<SelfTestStep['part'], string>> = {
  connection: 'The way to the tenant',
  tenant: 'The tenant itself',
  conversation: 'What the identity provider says',
}

/** What came of a self-test: first in a sentence, then step by step. */
export function SelfTestSteps({ result: { steps, passed } }: { result: SelfTestResult }) {
  const failed = steps.filter(({ state }) => state === 'failed').length
  const skipped = steps.filter(({ state }) => state === 'skipped').length
  const rest = skipped === 0 ? '' : ` ${counted(skipped, 'step')} ${skipped === 1 ? 'was' : 'were'} skipped.`
  return (
    <>
      {passed ? (
        <p class="notice" role="status">
          Nothing failed.{rest}
        </p>
      ) : (
        <p class="warning bad" role="status">
          {counted(failed, 'step')} of {steps.length} failed.{rest} Each says below what to change.
        </p>
      )}
      {Object.entries(PARTS).map(([part, title]) => {
        const own = steps.filter((step) => step.part === part)
        return own.length > 0 && <Steps title={title} steps={own} />
      })}
    </>
  )
}

function Steps({ title, steps }: { title: string; steps: readonly SelfTestStep[] }) {
  return (
    <Card title={title}>
      <Table head={['Step', 'Result', 'What was wrong, and what to change']} label={title}>
        {steps.map(({ title: step, state, request, status, problem, remedy }) => (
          <tr>
            <td class="long">
              {step}
              {request !== null && (
                <>
                  <br />
                  <code>{request}</code>
                </>
              )}
            </td>
            <td>
              <Badge tone={TONES[state]}>{state}</Badge>
              {status !== null && <span class="quiet small num"> {status}</span>}
            </td>
            <td class="long">
              {problem !== null && <strong>{problem}</strong>} {remedy}
            </td>
          </tr>
        ))}
      </Table>
    </Card>
  )
}
