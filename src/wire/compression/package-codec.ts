/** Loading of the packages that codecs are made of: when first needed, and with an error that says what is missing. */

import { createRequire } from 'node:module'
import { UnsupportedCodecError } from '../../errors/errors.ts'
import type { CodecName } from './codec.ts'

/** Loads a CommonJS package. Through `require`, for their ES module forms are made for bundlers and browsers. */
export function loadPackage<T>(codec: CodecName, name: string): T {
  try {
    return createRequire(import.meta.url)(name) as T
  } catch (error) {
    throw new UnsupportedCodecError(`the codec ${codec} needs the package '${name}', which cannot be loaded`, {
      cause: error,
    })
  }
}

export function notLoaded(codec: CodecName): UnsupportedCodecError {
  return new UnsupportedCodecError(`the codec ${codec} was used before it was loaded`)
}
