import type { Child } from 'hono/jsx'
import type { Token, Tokens } from 'marked'
import { Table } from '../console/parts.tsx'
import { type Values, valueNamed, withValues } from './guides.ts'

interface Given {
  readonly values: Values
  /** Where the page of another guide is, by the name of its file without the ending. */
  readonly guide: (name: string) => string
}

/** A guide as HTML: what its Markdown says, with the tenant's values in their places. Its title is left to the page. */
export function Guide({ tokens, ...given }: Given & { tokens: readonly Token[] }) {
  return <div class="guide">{tokens.filter((token) => !isTitle(token)).map((token) => block(token, given))}</div>
}

const isTitle = (token: Token): boolean => token.type === 'heading' && token.depth === 1

function block(token: Token, given: Given): Child {
  switch (token.type) {
    case 'heading': {
      const { depth, tokens, text } = token as Tokens.Heading
      const content = inline(tokens, given)
      return depth === 2 ? <h2 id={slug(text)}>{content}</h2> : <h3 id={slug(text)}>{content}</h3>
    }
    case 'paragraph':
      return <p>{inline((token as Tokens.Paragraph).tokens, given)}</p>
    case 'list': {
      const { ordered, items } = token as Tokens.List
      const content = items.map((item) => <li>{item.tokens.map((part) => block(part, given))}</li>)
      return ordered ? <ol>{content}</ol> : <ul>{content}</ul>
    }
    case 'table': {
      const { header, rows } = token as Tokens.Table
      return (
        <Table head={header.map(({ text }) => text)} label={header.map(({ text }) => text).join(', ')}>
          {rows.map((cells) => (
            <tr>
              {cells.map(({ tokens }) => (
                <td>{inline(tokens, given)}</td>
              ))}
            </tr>
          ))}
        </Table>
      )
    }
    case 'code':
      return (
        <pre tabindex={0}>
          <code>{withValues((token as Tokens.Code).text, given.values)}</code>
        </pre>
      )
    // The text of an item of a list.
    case 'text':
      return inline((token as Tokens.Text).tokens ?? [], given)
    case 'space':
      return null
    default:
      throw new Error(`a guide has Markdown that the portal does not show: ${token.type}`)
  }
}

function inline(tokens: readonly Token[], given: Given): Child[] {
  return tokens.map((token): Child => {
    switch (token.type) {
      case 'text':
        return token.raw
      case 'escape':
        return (token as Tokens.Escape).text
      case 'strong':
        return <strong>{inline((token as Tokens.Strong).tokens, given)}</strong>
      case 'em':
        return <em>{inline((token as Tokens.Em).tokens, given)}</em>
      case 'codespan':
        return <Code code={(token as Tokens.Codespan).text} values={given.values} />
      case 'link': {
        const { href, tokens: content } = token as Tokens.Link
        const own = /^([a-z-]+)\.md(#.*)?$/.exec(href)
        return own === null ? (
          <a href={href} target="_blank" rel="noopener noreferrer">
            {inline(content, given)}
          </a>
        ) : (
          <a href={`${given.guide(own[1] ?? '')}${own[2] ?? ''}`}>{inline(content, given)}</a>
        )
      }
      default:
        throw new Error(`a guide has Markdown that the portal does not show: ${token.type}`)
    }
  })
}

function Code({ code, values }: { code: string; values: Values }) {
  const name = valueNamed(code)
  if (name === undefined) return <code>{code}</code>
  const value = values[name]
  if (value !== undefined) return <Copyable text={value} what={name} />
  const unknown = <strong>{`your ${name}`}</strong>
  // The page has the form for a token, which brings the id and the secret too.
  return name === 'token URL' || name === 'logout URL' ? unknown : <a href="#token">{unknown}</a>
}

/** A value with a button that copies it. Without a script, a click selects it. */
export function Copyable({ text, what }: { text: string; what: string }) {
  return (
    <span class="value">
      <code>{text}</code>
      <button type="button" class="copy-it" data-copy={text} aria-label={`Copy the ${what}`} hidden>
        Copy
      </button>
    </span>
  )
}

const slug = (text: string): string => text.toLowerCase().replaceAll(/[^a-z]+/g, '-')
