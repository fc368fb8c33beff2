import { ensureImage } from './image.ts'

// A step of `npm run build`: the first start of an embedded database then takes a moment, and little memory.
console.log(`database image: ${await ensureImage()}`)
