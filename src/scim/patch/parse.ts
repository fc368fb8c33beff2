import type { Deviations } from '../deviations/index.ts'
import { ScimError } from '../errors.ts'
import type { PatchPath } from '../filter/ast.ts'
import { parsePatchPath } from '../filter/parse.ts'
import { isObject, isUnassigned, type JsonValue, memberIgnoringCase } from '../resource.ts'
import { PATCH_OP, sameUrn } from '../urn.ts'

/** One operation of a PATCH (RFC 7644 §3.5.2). */
export interface PatchOperation {
  readonly op: 'add' | 'remove' | 'replace'
  readonly path: PatchPath | undefined
  /** The path as sent, cut to a readable length, for messages. */
  readonly pathText: string
  /** Never undefined for add and replace. */
  readonly value: JsonValue | undefined
  /** Position in `Operations`, counted from 0, for messages. */
  readonly index: number
}

/** Operations in one PATCH; one operation may carry any number of members. */
export const MAX_OPERATIONS = 1_000

/**
 * Reads a PatchOp message (RFC 7644 §3.5.2; PAT-01 to PAT-03, PAT-07, PAT-15, H-10).
 *
 * @throws {ScimError} invalidSyntax for another message, tooMany for more than `MAX_OPERATIONS`, invalidPath or invalidFilter
 *   for a path, invalidValue for an add or replace without value
 */
export function parsePatch(body: JsonValue, deviations: Deviations): readonly PatchOperation[] {
  if (!isObject(body)) throw ScimError.invalidSyntax('body-not-object', 'the body must be a JSON object')
  checkIsPatchOp(memberIgnoringCase(body, 'schemas') ?? null, deviations)
  const operations = memberIgnoringCase(body, 'Operations')
  if (!Array.isArray(operations)) throw ScimError.invalidSyntax('patch-malformed', 'Operations must be an array')
  if (operations.length === 0 && !deviations.has('empty-operations')) {
    throw ScimError.invalidSyntax('patch-malformed', 'Operations must hold at least one operation')
  }
  if (operations.length > MAX_OPERATIONS) {
    throw ScimError.tooMany(
      'patch-too-costly',
      `Operations holds ${operations.length} operations, more than ${MAX_OPERATIONS}`,
    )
  }
  return operations.map((operation, index) => inOperation(index, () => parseOperation(operation, index, deviations)))
}

/** Runs `step`; a refusal says in which operation it arose. */
export function inOperation<T>(index: number, step: () => T): T {
  try {
    return step()
  } catch (error) {
    if (!(error instanceof ScimError)) throw error
    throw new ScimError(error.status, error.scimType, error.reason, `Operations[${index}]: ${error.message}`)
  }
}

function checkIsPatchOp(schemas: JsonValue, deviations: Deviations): void {
  if (isUnassigned(schemas) && deviations.has('missing-schemas')) return
  const isPatchOp = Array.isArray(schemas) && schemas.some((urn) => typeof urn === 'string' && sameUrn(urn, PATCH_OP))
  if (!isPatchOp) throw ScimError.invalidSyntax('schemas-missing', `schemas must be an array that holds "${PATCH_OP}"`)
}

function parseOperation(operation: JsonValue, index: number, deviations: Deviations): PatchOperation {
  if (!isObject(operation)) throw ScimError.invalidSyntax('patch-malformed', 'an operation must be an object')
  const op = parseOp(memberIgnoringCase(operation, 'op'), deviations)
  const text = memberIgnoringCase(operation, 'path') ?? undefined
  if (text !== undefined && typeof text !== 'string')
    throw ScimError.invalidSyntax('patch-malformed', 'path must be a string')
  if (text === undefined && deviations.has('path-required'))
    throw ScimError.invalidSyntax('patch-path-missing', 'path is required')
  const value = memberIgnoringCase(operation, 'value')
  if (value === undefined && op !== 'remove') throw ScimError.invalidValue('patch-value-missing', `${op} needs a value`)
  const path = text === undefined ? undefined : parsePatchPath(text, deviations)
  return { op, path, pathText: clip(text ?? ''), value, index }
}

function parseOp(value: JsonValue | undefined, deviations: Deviations): PatchOperation['op'] {
  const op = typeof value === 'string' && deviations.has('operations-in-any-case') ? value.toLowerCase() : value
  if (op === 'add' || op === 'remove' || op === 'replace') return op
  const isInCapitals = typeof value === 'string' && /^(?:add|remove|replace)$/i.test(value)
  const reason = isInCapitals ? 'operation-in-capitals' : 'operation-unknown'
  throw ScimError.invalidSyntax(reason, 'op must be one of add, remove and replace')
}

const clip = (text: string): string => (text.length > 100 ? `${text.slice(0, 100)}…` : text)
