import { lockFolder } from '../../../src/db/folder-lock.ts'

// Takes the lock of a folder and keeps it until it is ended; says so, or why not.
const [folder = ''] = process.argv.slice(2)
try {
  await lockFolder(folder, (reason) => console.log(`lost: ${reason}`))
  console.log('locked')
  setInterval(() => {}, 1000)
} catch (error) {
  console.log(`refused: ${error instanceof Error ? error.message : error}`)
}
