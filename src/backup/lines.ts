const NEWLINE = 10

/** A line without its end, and where in the whole its end is. */
export interface TextLine {
  readonly text: string
  readonly bytes: number
}

/**
 * The lines of a stream of bytes. What stands after the last line's end is left out.
 *
 * @param mostBytes from so many on, a line is without end, and `endless` makes the error
 */
export async function* linesIn(
  chunks: AsyncIterable<Buffer>,
  mostBytes: number,
  endless: () => Error,
): AsyncGenerator<TextLine> {
  let rest: Buffer = Buffer.alloc(0)
  let bytes = 0
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk])
    let start = 0
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE, start)) {
      bytes += end + 1 - start
      yield { text: rest.toString('utf8', start, end), bytes }
      start = end + 1
    }
    rest = rest.subarray(start)
    if (rest.length > mostBytes) throw endless()
  }
}
