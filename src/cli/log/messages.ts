/** A message of a stream of server-sent events. */
export interface Message {
  /** Where a reader that comes back goes on. */
  readonly id: string | undefined
  readonly data: string
}

/** The messages with data in an answer that is read as a stream. */
export async function* messagesIn(data: unknown): AsyncGenerator<Message> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of data as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true })
    const messages = text.split('\n\n')
    text = messages.pop() ?? ''
    for (const message of messages) {
      const line = /^data: (.*)$/m.exec(message)?.[1]
      if (line !== undefined) yield { id: /^id: (.*)$/m.exec(message)?.[1], data: line }
    }
  }
}
