interface Session {
  readonly user: string
  roles: readonly string[]
}

/** Sessions by their ids. A real application has them in its database. */
const sessions = new Map<string, Session>()

/** Begins a session. */
export function beginSession(user: string, roles: readonly string[]): string {
  const id = crypto.randomUUID()
  sessions.set(id, { user, roles })
  return id
}

export const sessionOf = (id: string | undefined): Session | undefined => sessions.get(id ?? '')

/** Ends what a person has open, since the person has left. */
export function endSessionsOf(user: string): void {
  for (const [id, session] of sessions) if (session.user === user) sessions.delete(id)
}

/** Gives a role to the sessions of people, or takes it. */
export function setRole(users: readonly string[], role: string, has: boolean): void {
  for (const session of sessions.values()) {
    if (!users.includes(session.user)) continue
    const others = session.roles.filter((one) => one !== role)
    session.roles = has ? [...others, role] : others
  }
}
