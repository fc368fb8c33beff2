import { PGlite } from '@electric-sql/pglite'
import { DurableFs } from './durable-fs.ts'
import type { CancelFlags } from './pglite-memory.ts'
import { sharedMemory, sharedProgram } from './pglite-memory.ts'

/**
 * Plans as in the sessions of PostgreSQL (./session-settings.ts): for all values, since the statements are written for them, and never
 * by reading a whole table. A plan for the values of a tenant that is new would take any index of the tenant, and read all of its rows.
 */
export const PLANS = ['-c', 'enable_seqscan=off', '-c', 'plan_cache_mode=force_generic_plan'] as const

// Without -F, which turns fsync off; fdatasync does nothing here. Little WAL, since a crash replays it all, slowly. To analyse a
// table the engine holds 300 rows for each point of the target, whole documents, in memory that it never gives back.
const durable = (sharedBuffers: string) => [
  ...PGlite.defaultStartParams.filter((param) => param !== '-F'),
  ...PLANS,
  ...[
    'wal_sync_method=fsync',
    `shared_buffers=${sharedBuffers}`,
    'max_wal_size=64MB',
    'min_wal_size=32MB',
    'default_statistics_target=25',
  ].flatMap((setting) => ['-c', setting]),
]

/** The engine over a folder, and what cancels its statements. */
export interface OpenEngine {
  readonly client: PGlite
  readonly flags: CancelFlags
}

/** PGlite asks at its start for the types of arrays, to read their values. Here the driver reads them. */
class Engine extends PGlite {
  override async _initArrayTypes(): Promise<void> {}
}

/**
 * Opens the engine in `folder`.
 *
 * @param onStopped called when the engine stops for good, with its last words
 * @param sharedBuffers memory for pages of the files
 * @param program of the engine, for those who have it before they know the folder
 */
export async function openEngine(
  folder: string,
  onStopped: (reason: string) => void,
  sharedBuffers = '32MB',
  program = sharedProgram(),
): Promise<OpenEngine> {
  const memory = sharedMemory()
  let lastWords: string | undefined
  const client = new Engine({
    fs: new DurableFs(folder, memory, (what) => onStopped(lastWords ?? what)),
    startParams: durable(sharedBuffers),
    pgliteWasmModule: await program,
    onStderr: (line) => {
      lastWords = /(?:FATAL|PANIC): +(.*)/.exec(line)?.[1] ?? lastWords
      return false
    },
  })
  // The engine's own words say more than PGlite's.
  await client.waitReady.catch((error: unknown) => {
    throw lastWords === undefined ? error : new Error(lastWords, { cause: error })
  })
  const { _InterruptPending, _QueryCancelPending } = client.Module as unknown as Record<string, number | undefined>
  if (_InterruptPending === undefined || _QueryCancelPending === undefined)
    throw new Error('this version of PGlite does not tell where its flags are')
  return {
    client,
    flags: {
      memory: memory.buffer,
      interruptPending: _InterruptPending,
      queryCancelPending: _QueryCancelPending,
    },
  }
}

const FIRST_BYTES = 16_384

/** Answers messages of PostgreSQL's protocol, one after the other, each in a buffer of its own. */
export function answering(client: PGlite): (messages: Uint8Array) => Promise<Uint8Array> {
  let room = new Uint8Array(FIRST_BYTES)
  return async (messages) => {
    let length = 0
    await client.execProtocolRawStream(messages, {
      syncToFs: false,
      onRawData: (bytes) => {
        if (length + bytes.length > room.length) room = larger(room, length, length + bytes.length)
        room.set(bytes, length)
        length += bytes.length
      },
    })
    if (room.length === FIRST_BYTES) return room.slice(0, length)
    const answer = room.subarray(0, length)
    room = new Uint8Array(FIRST_BYTES)
    return answer
  }
}

function larger(room: Uint8Array, length: number, needed: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(Math.max(needed, room.length * 2))
  grown.set(room.subarray(0, length))
  return grown
}
