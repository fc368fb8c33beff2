import { appendFile, readFile, writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { connected, type GlobalOptions } from '../connection.ts'
import { CliError, EXIT } from '../failure.ts'
import { type Io, print } from '../io.ts'
import { memberDifferences, type Step } from './differences.ts'
import { readConfiguration, writeConfiguration } from './file.ts'
import { pulled } from './pull.ts'
import { follow } from './walk.ts'

interface ApplyOptions extends GlobalOptions {
  readonly dryRun?: true
  readonly prune?: true
  readonly secretsTo?: string
}

/** `rollcall apply` and `rollcall pull`: configuration as code. */
export function applyCommands(program: Command, io: Io): void {
  program
    .command('apply')
    .description('make projects, environments, tenants and what they have as a file says; what it does not name stays')
    .argument('<file>', 'YAML or JSON: docs/configuration-as-code.md')
    .option('--dry-run', 'tell what would change, and change nothing')
    .option('--prune', 'delete the webhooks, streams, schemas and domains beside those of the lists that the file has')
    .option('--secrets-to <file>', 'write the secrets of new webhooks to this new file, for its owner alone')
    .action((file: string, _: unknown, command: Command) => {
      const { dryRun = false, prune = false, secretsTo: kept, ...options } = command.optsWithGlobals<ApplyOptions>()
      return connected(options, io, async ({ client }) => {
        const configuration = readConfiguration(await textOf(file), file)
        const steps: Step[] = []
        const secrets = await secretsTo(dryRun ? undefined : kept)
        const told = (step: Step) => {
          steps.push(step)
          if (!options.json) io.out.write(inWords(step))
        }
        await follow(configuration, { client, dry: dryRun, prune, told, secret: secrets.keep })
        const changes = steps.filter(({ action }) => action !== 'left').length
        print(io, options.json, { applied: !dryRun, changes, steps }, () => summary(changes, dryRun))
        if (secrets.lost() > 0)
          io.err.write(
            'rollcall: the secrets of new webhooks are shown nowhere: rotate them to get others, or give --secrets-to next time\n',
          )
      })
    })

  program
    .command('pull')
    .description('write what there is as a file for `rollcall apply`; secrets are not in it')
    .option('--only <place>', 'PROJECT, PROJECT/ENVIRONMENT or PROJECT/ENVIRONMENT/TENANT')
    .action((_: unknown, command: Command) => {
      const { only, ...options } = command.optsWithGlobals<GlobalOptions & { only?: string }>()
      return connected(options, io, async ({ client }) =>
        print(io, options.json, await pulled(client, only), writeConfiguration),
      )
    })
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new CliError(EXIT.usage, `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}

/** Where the secrets of new webhooks go, each as soon as it is there. The file is made before the first. */
async function secretsTo(path: string | undefined) {
  const cannot = (error: NodeJS.ErrnoException) => {
    const why = error.code === 'EEXIST' ? 'it is there already' : error.code
    return new CliError(EXIT.usage, `${path} cannot be written: ${why}`)
  }
  if (path !== undefined)
    await writeFile(path, '', { mode: 0o600, flag: 'wx' }).catch((error) => Promise.reject(cannot(error)))
  let lost = 0
  return {
    /** How many secrets went nowhere. */
    lost: () => lost,
    async keep(at: string, secret: string): Promise<void> {
      if (path === undefined) lost++
      else await appendFile(path, `${at} ${secret}\n`)
    },
  }
}

const SIGNS = { create: '+', change: '~', delete: '-', left: '·' } as const

const inWords = ({ action, what, at, differences, notes }: Step): string =>
  [
    `${SIGNS[action]} ${what} ${at}${action === 'left' ? ' is not in the file; it stays' : ''}`,
    ...differences
      .flatMap(memberDifferences)
      .map(({ path, before, after }) => `    ${path}: ${short(before)} → ${short(after)}`),
    ...notes.map((note) => `    ${note}`),
    '',
  ].join('\n')

const LONGEST = 200
function short(value: unknown): string {
  const text = value === undefined || value === null ? 'not set' : JSON.stringify(value)
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}

function summary(changes: number, dry: boolean): string {
  if (changes === 0) return 'nothing to change: all is as the file says\n'
  const things = changes === 1 ? 'one thing' : `${changes} things`
  return dry ? `${things} would change; nothing was changed\n` : `${things} changed\n`
}
