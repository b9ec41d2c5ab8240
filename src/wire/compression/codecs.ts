/** The codecs by name and by attribute number, each loaded when first needed, each replaceable. */

import { InvalidArgumentError, UnsupportedCodecError } from '../../errors/errors.ts'
import { compressionTypes, type Codec, type CodecName, type CompressionType } from './codec.ts'
import { checkCompressionLevel } from './level.ts'

export interface Codecs {
  /** The codec of a name; undefined for 'none'. Throws `UnsupportedCodecError` for a name that Kafka does not know. */
  get(name: 'none'): undefined
  get(name: CodecName): Codec
  get(name: CompressionType): Codec | undefined
}

/** One of our own codecs, whose code is imported when it is loaded: most programs need one of the four, or none. */
function lazily(name: CodecName, importCodec: () => Promise<Codec>): Codec {
  let codec: Codec | undefined
  const loadedCodec = (): Codec => {
    if (codec === undefined) throw new UnsupportedCodecError(`the codec ${name} was used before it was loaded`)
    return codec
  }
  return {
    name,
    id: compressionTypes.indexOf(name),
    checkLevel: (level) => checkCompressionLevel(name, level),
    async load() {
      const imported = await importCodec()
      await imported.load()
      codec = imported
    },
    compress: (source, level) => loadedCodec().compress(source, level),
    decompress: (source, maxBytes, magic) => loadedCodec().decompress(source, maxBytes, magic),
  }
}

const registered: (Codec | undefined)[] = [
  undefined,
  lazily('gzip', async () => (await import('./gzip.ts')).gzip),
  lazily('snappy', async () => (await import('./snappy.ts')).snappy),
  lazily('lz4', async () => (await import('./lz4.ts')).lz4),
  lazily('zstd', async () => (await import('./zstd.ts')).zstd),
]

/** The codecs in use: our own, until {@link registerCodec} replaces one. */
export const codecs: Codecs = {
  get: ((name: CompressionType): Codec | undefined => {
    const id = compressionTypes.indexOf(name)
    if (id === -1) {
      throw new UnsupportedCodecError(`'${String(name)}' is no codec of Kafka: it has ${compressionTypes.join(', ')}`)
    }
    return codecById(id)
  }) as Codecs['get'],
}

/** The codec of the number in a batch's attribute bits; undefined for 0. Throws `UnsupportedCodecError` for 5 and up. */
export function codecById(id: number): Codec | undefined {
  if (id !== 0 && registered[id] === undefined) {
    throw new UnsupportedCodecError(`no codec of Kafka has the number ${id}`)
  }
  return registered[id]
}

/** Makes every client of this process use `codec` from now on in place of the one of the same name. */
export function registerCodec(codec: Codec): void {
  const id = compressionTypes.indexOf(codec.name)
  if (id < 1 || codec.id !== id) {
    throw new InvalidArgumentError(`a codec named '${codec.name}' with number ${codec.id} is none of Kafka's`)
  }
  registered[id] = codec
}

const loaded = new WeakSet<Codec>()

/**
 * Loads the codec of the number in a batch's attribute bits: undefined when there is nothing to wait for, so that a
 * caller awaits once per codec and not once per batch. Rejects as the codec's own `load` does.
 */
export function loadCodec(id: number): Promise<void> | undefined {
  const codec = codecById(id)
  if (codec === undefined || loaded.has(codec)) return undefined
  return codec.load().then(() => {
    loaded.add(codec)
  })
}
