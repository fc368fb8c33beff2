import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './documents.ts'

const DOCKERFILE = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')

/** What the image says about its containers. */
export const image = {
  /** The variables that it sets. */
  env: Object.fromEntries(
    [...DOCKERFILE.matchAll(/^ENV (.+)$/gm)].flatMap(([, pairs = '']) =>
      pairs.split(' ').map((pair) => pair.split('=')),
    ),
  ) as Readonly<Record<string, string>>,
  /** The command of a container, and of its health check. */
  command: JSON.parse(/^CMD (\[.+\])$/m.exec(DOCKERFILE)?.[1] ?? '[]') as readonly string[],
  healthcheck: JSON.parse(/^ {2}CMD (\[.+\])$/m.exec(DOCKERFILE)?.[1] ?? '[]') as readonly string[],
  /** Such as `1000:0`. */
  user: /^ARG RUN_AS=(\S+)$/m.exec(DOCKERFILE)?.[1] ?? '',
  bases: [...DOCKERFILE.matchAll(/^(?:ARG NODE_IMAGE=|FROM )(\S+)/gm)].map(([, base = '']) => base),
}
