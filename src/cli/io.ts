/** Where a command reads its environment and writes. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly out: Output
  readonly err: Output
  /** Ends commands that go on until they are stopped; without it, Ctrl+C and SIGTERM do. */
  readonly signal?: AbortSignal
}

/** A stream that texts are written to. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  /** Width of the terminal. */
  readonly columns?: number
}

/** Writes an answer: as one JSON document where `json` says so, else as `human` puts it. */
export function print<T>(io: Io, json: boolean | undefined, value: T, human: (value: T) => string): void {
  io.out.write(json ? `${JSON.stringify(value, null, 2)}\n` : human(value))
}

/** Rows of the same members in aligned columns, under their names. */
export function table(rows: readonly Readonly<Record<string, string>>[]): string {
  const names = Object.keys(rows[0] ?? {})
  const lines = [names.map((name) => name.toUpperCase()), ...rows.map((row) => names.map((name) => row[name] ?? ''))]
  const widths = names.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

/** One thing, a line for each of its members. */
export function sheet(members: Readonly<Record<string, unknown>>): string {
  const width = Math.max(...Object.keys(members).map((name) => name.length))
  return Object.entries(members)
    .map(([name, value]) => `${name.padEnd(width)}  ${typeof value === 'string' ? value : JSON.stringify(value)}\n`)
    .join('')
}
