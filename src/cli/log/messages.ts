/** A message of a stream of server-sent events. */
export interface Message {
  /** Where a reader that comes back goes on. */
  readonly id: string | undefined
  readonly data: string
}

/** The messages with data in an answer that is read as a stream, until the stream ends or the command is stopped. */
export async function* messagesIn(data: unknown, stopped: AbortSignal): AsyncGenerator<Message> {
  try {
    yield* messagesOf(data)
  } catch (error) {
    if (!stopped.aborted) throw error
  }
}

async function* messagesOf(data: unknown): AsyncGenerator<Message> {
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
