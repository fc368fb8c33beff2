import { keepCompiledCode } from './compiled-code.ts'

// A step of `npm run build`: the first start finds the programs compiled, also where it may not write beside them.
keepCompiledCode()
await Promise.all([import('./serve.ts'), import('./serving.ts'), import('./db/pglite-engine.ts')])
