import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { ROOT } from './documents.ts'
import { findTool } from './tools.ts'

/** The program; undefined where there is none. */
export const findHelm = (): string | undefined => findTool('helm')

export const CHART = join(ROOT, 'deploy/helm/rollcall')

/** A build of Helm without a version of Kubernetes assumes an old one. */
const CLUSTER = ['--kube-version', '1.31.0']

/** A manifest of Kubernetes; members are looked up, never trusted. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly [member: string]: unknown
}

/** The chart's manifests for a release `scim`, with values from files (examples, or absolute paths) and as `name=value`. */
export function rendered(helm: string, files: readonly string[], ...set: readonly string[]): Manifest[] {
  const { status, stdout, stderr } = run(helm, 'template', ['scim', CHART, ...CLUSTER, ...values(files, set)])
  if (status !== 0) throw new Error(stderr)
  return parseAllDocuments(stdout).map((document) => document.toJS())
}

/** What Helm has to say about the chart with these values; empty where that is nothing. */
export function linted(helm: string, files: readonly string[], ...set: readonly string[]): string {
  const { status, stdout, stderr } = run(helm, 'lint', ['--strict', CHART, ...CLUSTER, ...values(files, set)])
  return status === 0 ? '' : stdout + stderr
}

const run = (helm: string, command: string, args: readonly string[]) =>
  spawnSync(helm, [command, ...args], { encoding: 'utf8', cwd: CHART })

const values = (files: readonly string[], set: readonly string[]) => [
  ...files.flatMap((file) => ['--values', resolve(CHART, 'examples', file)]),
  ...set.flatMap((pair) => ['--set', pair]),
]
