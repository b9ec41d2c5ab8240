/** gzip, by Node's own zlib. */

import { constants } from 'node:buffer'
import { gunzipSync, gzipSync } from 'node:zlib'
import { CorruptRecordError } from '../../errors/errors.ts'
import type { Codec } from './codec.ts'
import { checkCompressionLevel } from './level.ts'

export const gzip: Codec = {
  name: 'gzip',
  id: 1,
  load: () => Promise.resolve(),

  compress(source, level = -1) {
    checkCompressionLevel('gzip', level)
    return gzipSync(source, { level })
  },

  decompress(source, maxBytes) {
    try {
      // zlib's bound may not be 0, and not beyond the largest buffer there can be.
      const plain = gunzipSync(source, { maxOutputLength: Math.min(Math.max(maxBytes, 1), constants.MAX_LENGTH) })
      if (plain.length > maxBytes) throw new RangeError(`more than ${maxBytes} bytes`)
      return plain
    } catch (error) {
      throw new CorruptRecordError(`gzip data cannot be decompressed within ${maxBytes} bytes`, { cause: error })
    }
  },
}
