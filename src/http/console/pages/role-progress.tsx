import type { RoleProgress } from '../../../repositories/roles/role-rule-work.ts'
import { Badge, Card, Moment } from '../parts.tsx'

/** How far a tenant's groups are in step with rules for roles; nothing while there is nothing to tell. */
export function RoleProgressCard({ progress }: { progress: RoleProgress | undefined }) {
  if (progress === undefined || (progress.state === 'done' && progress.problem === null)) return null
  const { state, groups, groupsDone, since, resumesAt, problem } = progress
  return (
    <Card title="Role rules" aside={<Badge tone="warn">{STATES[state]}</Badge>}>
      {state !== 'done' && (
        <p>
          The rules were changed <Moment at={since} />.{' '}
          {groups === null ? 'No group follows' : `${groupsDone} of ${groups} groups follow`} them yet; the others still
          give the roles that they gave before.
        </p>
      )}
      {resumesAt && (
        <p>
          A step failed, as the log tells; it is tried again <Moment at={resumesAt} />.
        </p>
      )}
      {problem !== null && <p>A group gives no role by its name: {problem}.</p>}
    </Card>
  )
}

const STATES = { waiting: 'waiting', applying: 'applying', done: 'with a problem' } as const
