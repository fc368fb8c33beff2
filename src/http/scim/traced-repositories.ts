import type { Tracing } from '../../observability/tracing/tracing.ts'
import type { Repositories } from '../../repositories/tenant-scope.ts'

/** The same repositories, whose calls stand in the trace by their names, such as `resources.update`. */
export function tracedRepositories(repositories: Repositories, tracing: Tracing): Repositories {
  return new Proxy(repositories, {
    get(target, name: keyof Repositories) {
      if (name === 'transaction') {
        const transaction: Repositories['transaction'] = (work) =>
          tracing.part(name, () => target.transaction((inside) => work(tracedRepositories(inside, tracing))))
        return transaction
      }
      if (name === 'withRoles') return () => tracedRepositories(target.withRoles(), tracing)
      const part = target[name]
      return typeof part === 'function' ? part.bind(target) : tracedCalls(part, name, tracing)
    },
  })
}

function tracedCalls(repository: object, name: string, tracing: Tracing): object {
  return new Proxy(repository, {
    get(target, method) {
      const call: unknown = Reflect.get(target, method)
      if (typeof call !== 'function') return call
      return (...values: unknown[]) => tracing.part(`${name}.${String(method)}`, () => call.apply(target, values))
    },
  })
}
