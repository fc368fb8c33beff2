import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { HISTORY_KEYS } from '../../history/signing.ts'
import { verifyDetached } from '../../signing/detached.ts'
import { answered, type Connection, type GlobalOptions, gatewayUrl } from '../connection.ts'
import { CliError, EXIT } from '../failure.ts'
import { type Io, print } from '../io.ts'

/** What an export is asked for by: a quarter, or both its ends. */
export interface ExportQuery {
  readonly quarter?: string
  readonly from?: string
  readonly until?: string
  readonly format: 'csv' | 'json'
}

/** What a manifest says of an export. */
interface Said {
  readonly bytes: number
  readonly lines: number
  readonly sha256: string
}

const manifestFile = (file: string): string => `${file}.manifest.json`
const signatureFile = (file: string): string => `${file}.manifest.jws`

/**
 * Writes the signed manifest of an export beside it.
 *
 * @throws {CliError} for a refusal, and where the export is another than the one in the file
 */
export async function writeManifest(
  { client, place }: Connection,
  tenant: string,
  file: string,
  query: ExportQuery,
): Promise<Said> {
  const path = '/projects/{project}/environments/{environment}/tenants/{tenant}/history/export/manifest'
  const { manifest, signature } = await answered(client.GET(path, { params: { path: { ...place, tenant }, query } }))
  const said = JSON.parse(manifest) as Said
  if ((await hashOf(file)) !== said.sha256)
    throw new CliError(
      EXIT.failed,
      `${file} is not what the gateway has signed: a person was erased meanwhile, or it is not whole; export again`,
    )
  await writeFile(manifestFile(file), manifest)
  await writeFile(signatureFile(file), `${signature}\n`)
  return said
}

/** Checks an export against its manifest, and the manifest against the gateway's keys. @throws {CliError} where one does not fit */
export async function verifyExport(
  file: string,
  options: GlobalOptions & { readonly keys?: string; readonly kid?: string },
  io: Io,
): Promise<void> {
  const [manifest, signature] = [await textIn(manifestFile(file)), await textIn(signatureFile(file))]
  const keys = await publishedKeys(options, io)
  const kid = await verifyDetached(signature, manifest, keys)
  if (kid === undefined)
    throw new CliError(EXIT.failed, `none of the ${keys.length} keys has signed ${manifestFile(file)}`)
  if (options.kid !== undefined && options.kid !== kid)
    throw new CliError(EXIT.failed, `${manifestFile(file)} was signed by the key ${kid}, and not by ${options.kid}`)
  const said = JSON.parse(manifest) as Said
  const sha256 = await hashOf(file)
  if (sha256 !== said.sha256)
    throw new CliError(EXIT.failed, `${file} was changed: its sha256 is ${sha256}, and ${said.sha256} was signed`)
  print(io, options.json, { ...said, kid }, ({ lines }) => `${file}: ${lines} lines, as signed by the key ${kid}\n`)
}

async function publishedKeys(
  { keys: file, ...options }: GlobalOptions & { readonly keys?: string },
  io: Io,
): Promise<object[]> {
  const origin = gatewayUrl(options, io)
  if (file === undefined && origin === undefined)
    throw new CliError(EXIT.usage, 'give the keys by --keys, or the gateway that publishes them by --url')
  const from = file ?? new URL(HISTORY_KEYS, origin).href
  const text =
    file === undefined
      ? await fetch(from).then(
          (response) => response.text(),
          (error: Error) => {
            throw new CliError(EXIT.unreachable, `${from} cannot be read: ${error.message}`)
          },
        )
      : await textIn(file)
  try {
    const { keys } = JSON.parse(text) as { keys: object[] }
    return keys
  } catch {
    throw new CliError(EXIT.usage, `${from} has no keys`)
  }
}

async function textIn(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: Error) => {
    throw new CliError(EXIT.usage, `${file} cannot be read: ${error.message}`)
  })
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    for await (const piece of createReadStream(file)) hash.update(piece as Buffer)
  } catch (error) {
    throw new CliError(EXIT.usage, `${file} cannot be read: ${(error as Error).message}`)
  }
  return hash.digest('hex')
}
