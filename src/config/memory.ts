import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'

/** Parts of the memory, and of the JavaScript heap, that bodies and answers may fill together. */
const [PART_OF_MEMORY, PART_OF_HEAP] = [4, 2]
/** With less, one large body would fill all. */
const LEAST_BYTES = 33_554_432

/** How many bytes of bodies and answers this process may hold, by the memory that it has: the machine's or the container's. */
export function bytesForRequests(
  machine = totalmem(),
  // Zero or beyond the machine's where there is no limit.
  container = process.constrainedMemory() || machine,
  heap = getHeapStatistics().heap_size_limit,
): number {
  const fitting = Math.min(Math.min(machine, container) / PART_OF_MEMORY, heap / PART_OF_HEAP)
  return Math.max(LEAST_BYTES, Math.trunc(fitting))
}
