import { type Command, Option } from 'commander'
import type { Schemas } from '../../client/index.ts'
import { answered, connected, IF_MATCH, ifMatch } from '../connection.ts'
import { type Io, print, sheet } from '../io.ts'
import { type KeyOptions, oneKey } from './place.ts'

const ALGORITHMS = ['ES256', 'ES384', 'EdDSA', 'RS256', 'PS256'] as const

/** `rollcall key trust|untrust`: issuers whose assertions clients send in place of a secret. @param scoped makes a verb of keys */
export function trustCommands(scoped: (name: string, description: string) => Command, io: Io): void {
  scoped('trust', 'have a key trust an issuer, whose assertions get access tokens for it without a secret')
    .argument('<id>', 'id of the key')
    .requiredOption('--issuer <url>', 'equals iss of the assertion')
    .requiredOption('--jwks <url>', 'where the issuer publishes its keys')
    .requiredOption('--subject <subject>', 'equals sub: the one workload that may use the key')
    .requiredOption('--audience <audience...>', 'one of them equals aud, which names no other')
    .addOption(
      new Option('--algorithm <algorithm...>', 'with which the issuer may sign').choices(ALGORITHMS).default(['RS256']),
    )
    .option(...IF_MATCH)
    .action((id: string, _: unknown, command: Command) => {
      const { issuer, jwks, subject, audience, algorithm, ...options } = command.optsWithGlobals<
        KeyOptions & {
          issuer: string
          jwks: string
          subject: string
          audience: string[]
          algorithm: (typeof ALGORITHMS)[number][]
          ifMatch?: string
        }
      >()
      const body = { issuer, jwksUri: jwks, subject, audiences: audience, algorithms: algorithm }
      return connected(options, io, async (connection) => {
        const { path, params } = oneKey(options, connection, id)
        const guarded = { ...params, ...ifMatch(options.ifMatch) }
        const made = await answered(connection.client.POST(`${path}/trusts`, { params: guarded, body }))
        print(io, options.json, made, shown)
      })
    })

  scoped('untrust', 'end a trust of a key, and within a second the access tokens that were got by it')
    .argument('<id>', 'id of the key')
    .argument('<trust>', 'id of the trust')
    .option(...IF_MATCH)
    .action((id: string, trust: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<KeyOptions & { ifMatch?: string }>()
      return connected(options, io, async (connection) => {
        const { path, params } = oneKey(options, connection, id)
        const guarded = { path: { ...params.path, trust }, ...ifMatch(options.ifMatch) }
        await answered(connection.client.DELETE(`${path}/trusts/{trust}`, { params: guarded }))
        print(io, options.json, { id: trust, removed: true }, () => `${trust} is trusted no longer\n`)
      })
    })
}

const shown = ({ id, issuer, jwksUri, subject, audiences, algorithms }: Schemas['Trust']): string =>
  sheet({ id, issuer, keys: jwksUri, subject, audiences: audiences.join(' '), algorithms: algorithms.join(' ') })
