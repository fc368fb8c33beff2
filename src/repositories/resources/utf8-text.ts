/**
 * JSON text as its bytes in UTF-8, which came from the database and are passed on undecoded. `bytes` has a character for each of
 * them: V8 cuts and joins strings for next to nothing, where each part of a `Buffer` is an object.
 */
export class Utf8Text {
  readonly bytes: string

  constructor(bytes: string) {
    this.bytes = bytes
  }

  static of(buffer: Buffer): Utf8Text {
    return new Utf8Text(buffer.toString('latin1'))
  }

  get length(): number {
    return this.bytes.length
  }

  toBuffer(): Buffer<ArrayBuffer> {
    return Buffer.from(this.bytes, 'latin1')
  }

  toString(): string {
    return isAscii(this.bytes) ? this.bytes : this.toBuffer().toString('utf8')
  }
}

/** A text as the string of its bytes in UTF-8. */
export function inBytes(text: string | Utf8Text): string {
  if (typeof text !== 'string') return text.bytes
  return isAscii(text) ? text : Buffer.from(text).toString('latin1')
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range has to begin at zero, as each of these is one byte in UTF-8 too
const isAscii = (text: string): boolean => /^[\x00-\x7f]*$/.test(text)
