import { Action } from '../parts.tsx'

/** Pauses a place, once it was said what that does; or resumes it. @param path of its page */
export function PauseAction({ path, paused, what }: { path: string; paused: boolean; what: string }) {
  const action = `${path}/pause`
  if (paused) return <Action action={action} label={`Resume the ${what}`} tone="main" fields={{ paused: 'false' }} />
  const ask = `Identity providers get 403 from then on, and try again later: nothing of the ${what} changes until it is resumed.`
  return <Action action={action} label={`Pause the ${what}`} ask={ask} fields={{ paused: 'true' }} />
}
