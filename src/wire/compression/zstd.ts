/** zstd: by Node's own zlib where that has it (22.15 and up), else by a WASM build of the reference library. */

import zlib from 'node:zlib'
import { CorruptRecordError } from '../../errors/errors.ts'
import type { Codec } from './codec.ts'
import { checkCompressionLevel } from './level.ts'
import { loadPackage, notLoaded } from './package-codec.ts'
import { zstdFrames } from './zstd-frames.ts'

/** What both implementations have in common. */
interface Engine {
  compress(source: Uint8Array, level: number): Uint8Array
  /** Decompresses one whole frame, of at most `maxBytes` (exactly, when the frame says). */
  decompress(frame: Uint8Array, maxBytes: number): Uint8Array
}

/** What node:zlib has from 22.15 on; a default import, because naming it would not link on older ones. */
interface ZlibWithZstd {
  readonly zstdCompressSync?: (source: Uint8Array, options: { params: Record<number, number> }) => Buffer
  readonly zstdDecompressSync?: (source: Uint8Array, options: { maxOutputLength: number }) => Buffer
  readonly constants: { ZSTD_c_compressionLevel?: number }
}

interface ZstdWasm {
  init(): Promise<void>
  compress(source: Uint8Array, level: number): Uint8Array
  decompress(source: Uint8Array, options: { defaultHeapSize: number }): Uint8Array
}

const DEFAULT_LEVEL = 3

let engine: Engine | undefined
let loading: Promise<Engine> | undefined

export const zstd: Codec = {
  name: 'zstd',
  id: 4,

  async load() {
    loading ??= loadEngine()
    try {
      engine = await loading
    } catch (error) {
      loading = undefined
      throw error
    }
  },

  compress(source, level = DEFAULT_LEVEL) {
    if (engine === undefined) throw notLoaded('zstd')
    checkCompressionLevel('zstd', level)
    return engine.compress(source, level)
  },

  decompress(source, maxBytes) {
    if (engine === undefined) throw notLoaded('zstd')
    const parts: Uint8Array[] = []
    let total = 0
    for (const frame of zstdFrames(source)) {
      const left = maxBytes - total
      // What is announced is taken as memory by an engine, so it is compared first; what only may be too much is left to
      // the engine to find out, within the bound.
      if (frame.contentBytes !== undefined && frame.contentBytes > left) {
        throw new CorruptRecordError(`zstd data holds ${frame.contentBytes} bytes, more than the ${left} it may`)
      }
      const part = decompressFrame(
        engine,
        source.subarray(frame.start, frame.end),
        Math.min(frame.maxContentBytes, left),
      )
      parts.push(part)
      total += part.length
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, total)
  },
}

function decompressFrame(from: Engine, frame: Uint8Array, maxBytes: number): Uint8Array {
  try {
    const plain = from.decompress(frame, maxBytes)
    if (plain.length > maxBytes) throw new RangeError(`more than ${maxBytes} bytes`)
    return plain
  } catch (error) {
    throw new CorruptRecordError(`zstd data cannot be decompressed within ${maxBytes} bytes`, { cause: error })
  }
}

async function loadEngine(): Promise<Engine> {
  const { zstdCompressSync, zstdDecompressSync, constants } = zlib as unknown as ZlibWithZstd
  const levelParameter = constants.ZSTD_c_compressionLevel
  if (zstdCompressSync !== undefined && zstdDecompressSync !== undefined && levelParameter !== undefined) {
    return {
      compress: (source, level) => zstdCompressSync(source, { params: { [levelParameter]: level } }),
      decompress: (frame, maxBytes) => zstdDecompressSync(frame, { maxOutputLength: Math.max(maxBytes, 1) }),
    }
  }
  return loadWasmEngine()
}

async function loadWasmEngine(): Promise<Engine> {
  const wasm = loadPackage<ZstdWasm>('zstd', '@bokuweb/zstd-wasm')
  await wasm.init()
  return {
    compress: (source, level) => wasm.compress(source, level),
    // The package takes memory for what the frame announces, or else for what we tell it; what is announced was
    // compared with the bound before.
    decompress: (frame, maxBytes) => wasm.decompress(frame, { defaultHeapSize: Math.max(maxBytes, 1) }),
  }
}
