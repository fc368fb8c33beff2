import { crowdWrites, ruleWorkloads } from './crowds.ts'
import { day } from './day.ts'
import { groupReads, groupWrites } from './groups.ts'
import { lookUpWorkloads } from './look-ups.ts'
import { pageWorkloads } from './pages.ts'
import { syncWorkloads } from './sync.ts'
import { userReads, userWrites } from './users.ts'
import type { Workload } from './workload.ts'

/** Every workload, in the order to run them: what adds resources comes last, so that the sizes are what they say. */
export const workloads: readonly Workload[] = [
  ...userReads,
  ...lookUpWorkloads,
  ...pageWorkloads,
  ...groupReads,
  ...groupWrites,
  ...userWrites,
  ...crowdWrites,
  ...syncWorkloads,
  day,
]

/** What the load generator knows: those, and the ones that only a part of its own runs. */
export const allWorkloads: readonly Workload[] = [...workloads, ...ruleWorkloads]
