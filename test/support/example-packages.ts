import { join } from 'node:path'
import { ROOT } from './documents.ts'
import { pinnedPackages } from './pinned-packages.ts'

/** Next.js, Auth.js and better-auth, which `examples/` is for; `npm run test:examples` brings them. */
export const examplePackages = pinnedPackages('examples', join(ROOT, 'test/example-packages'))
