import { examplePackages } from '../support/example-packages.ts'

// Installs the packages that examples/ is for; 372 MB, once for each lock.

if (!examplePackages.isInstalled()) console.log(`installing packages of the examples into ${examplePackages.folder}`)
await examplePackages.install()
