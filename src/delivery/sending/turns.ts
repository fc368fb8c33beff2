/** The same list, begun somewhere: so turns are fair, to endpoints of one host too. */
export function fromAnywhere<T>(list: readonly T[]): T[] {
  const first = Math.floor(Math.random() * list.length)
  return [...list.slice(first), ...list.slice(0, first)]
}
