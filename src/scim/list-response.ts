import type { JsonObject } from './resource.ts'
import { LIST_RESPONSE } from './urn.ts'

/** One page of a query; `resources` as objects, or as JSON texts in parts that are passed on unread. */
export interface Page<R> {
  readonly resources: readonly R[]
  /** All matches, not only those on this page. */
  readonly totalResults: number
  /** 1-based; left out when paging by cursor (RFC 9865 §2). */
  readonly startIndex?: number
  /** Present on every page but the last. */
  readonly nextCursor?: string
  readonly previousCursor?: string
}

/** A ListResponse message (RFC 7644 §3.4.2). `Resources` is there even when empty: some clients fail without it. */
export function listResponse(page: Page<JsonObject>): JsonObject {
  return { ...frame(page), Resources: [...page.resources] }
}

/** The same message as JSON text in parts, composed without parsing the resources. Each resource is in parts as well. */
export function listResponseTexts<Text>(page: Page<readonly Text[]>): (Text | string)[] {
  const texts: (Text | string)[] = [`${JSON.stringify(frame(page)).slice(0, -1)},"Resources":[`]
  for (const resource of page.resources) {
    if (texts.length > 1) texts.push(',')
    texts.push(...resource)
  }
  texts.push(']}')
  return texts
}

function frame({ resources, totalResults, startIndex, nextCursor, previousCursor }: Page<unknown>): JsonObject {
  return {
    schemas: [LIST_RESPONSE],
    totalResults,
    itemsPerPage: resources.length,
    ...(startIndex === undefined ? {} : { startIndex }),
    ...(previousCursor === undefined ? {} : { previousCursor }),
    ...(nextCursor === undefined ? {} : { nextCursor }),
  }
}
