import { setPriority } from 'node:os'
import { LOADS, type LoadName, type RunningLoad } from '../fair/loads.ts'
import type { FairWorld } from '../fair/world.ts'

// A loud tenant, a process of its own: what it does with its answers takes nothing from the event loop that times the quiet ones.

/** Begins a load, or ends the one that goes on. */
export type ToLoud = { readonly begin: LoadName; readonly world: FairWorld } | { readonly end: true }

// Of two cores the servers and the quiet tenants come first.
setPriority(5)
let running: RunningLoad | undefined

process.on('message', (message: ToLoud) => {
  const work = async () => {
    if ('begin' in message) {
      running = await LOADS[message.begin].start(message.world)
      return {}
    }
    return (await running?.()) ?? {}
  }
  work().then(
    (answers) => process.send?.({ answers }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  )
})
