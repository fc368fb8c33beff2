import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

// npm start runs this first, in plain Node. A clone has the packages of the build, and is built where its sources have changed.
// Hosts build, take those packages away, and start what was built.

const ROOT = import.meta.dirname

/** Whether the packages of the build are there. */
function canBuild() {
  try {
    import.meta.resolve('tsx')
    return true
  } catch {
    return false
  }
}

/** @param {string} line for people; standard output belongs to the program that starts afterwards */
const say = (line) => process.stderr.write(`${line}\n`)

if (canBuild()) {
  const build = ['--import', 'tsx', join(ROOT, 'build.ts'), '--if-changed']
  process.exitCode = spawnSync(process.execPath, build, { cwd: ROOT, stdio: 'inherit' }).status ?? 1
} else if (existsSync(join(ROOT, 'dist/main.js'))) {
  say('starting what was built: the packages of the build are not there')
} else {
  say('there is nothing to start: run npm ci and npm run build, before npm prune --omit=dev')
  process.exitCode = 1
}
